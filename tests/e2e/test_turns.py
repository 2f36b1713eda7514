"""Writes and logins that come faster than their rate wait for their turn, and hold up nobody."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.api_client import ApiClient
from tests.e2e.instance import Wharf, running
from tests.e2e.raw_http import RawConnection, head, until
from tests.e2e.tenants import Signer

# The last of those that wait has its turn after two minutes; what others do takes far less. And too
# many are too many still if sending them takes a minute.
WAITING, SENT, TOO_MANY = 160, 140, 240


@pytest.fixture(scope="module")
def paced() -> Iterator[Wharf]:
    """A Wharf with one write of a credential, and one login of an address, in a second."""
    with running(
        WHARF_CREDENTIAL_WRITES_PER_SECOND="1",
        WHARF_CREDENTIAL_WRITES_WAITING=str(WAITING),
        WHARF_ADDRESS_LOGINS_PER_SECOND="1",
        WHARF_ADDRESS_LOGINS_WAITING=str(WAITING),
    ) as found:
        yield found


def answered(connections: list[RawConnection]) -> int:
    """How many of them have an answer by now."""
    return sum(not connection.silent_for(0.001) for connection in connections)


def refused(connection: RawConnection) -> bool:
    """Whether it has its answer by now, and that is 429."""
    if connection.silent_for(0.001):
        return False
    return connection.socket.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 429"


def sent(wharf: Wharf, stack: ExitStack, *requests: bytes) -> list[RawConnection]:
    """Connections on which the requests are under way."""
    connections = [stack.enter_context(RawConnection(wharf.port)) for _ in requests]
    for connection, request in zip(connections, requests, strict=True):
        connection.send(request)
    return connections


def write(api: ApiClient, number: int) -> bytes:
    """A small upload."""
    bearer = f"Authorization: Bearer {api.token}"
    return head(f"PUT /v1/files/default/{number} HTTP/1.1", bearer, "Content-Length: 1") + b"x"


def login(wharf: Wharf, name: str) -> bytes:
    """A login of a client."""
    found = wharf.credentials(name)
    pair = f"{found['client_id']}:{found['client_secret']}".encode()
    body = b"grant_type=client_credentials"
    return (
        head(
            "POST /auth/oauth/token HTTP/1.1",
            f"Authorization: Basic {base64.b64encode(pair).decode()}",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
        )
        + body
    )


def test_writes_of_a_credential_wait(paced: Wharf) -> None:
    """A flood of writes is neither refused nor let through; reads and others are before it."""
    signer = Signer(paced)
    flooding = signer.client()
    with ExitStack() as stack:
        waiting = sent(paced, stack, *(write(flooding, number) for number in range(SENT)))
        assert flooding.get("/v1/usage").status == 200
        assert signer.client().put("key").status == 201
        through = answered(waiting)
        assert through < SENT
        # Some went through at once, as those of a page that saves a few things.
        assert until(lambda: answered(waiting) > 0)


def test_more_writes_than_may_wait_are_refused(paced: Wharf) -> None:
    """Of more writes than may wait the rest is 429, by nginx."""
    flooding = Signer(paced).client()
    with ExitStack() as stack:
        waiting = sent(paced, stack, *(write(flooding, number) for number in range(TOO_MANY)))
        # Which of them are too many is up to the order in which nginx's processes take them.
        assert until(lambda: any(refused(connection) for connection in waiting))


def test_logins_of_an_address_wait(paced: Wharf) -> None:
    """A flood of logins does not come to the service at once; requests without a secret do."""
    with ExitStack() as stack:
        waiting = sent(paced, stack, *[login(paced, "demo")] * SENT)
        assert ApiClient(paced.port).get("/auth/readyz").status == 200
        assert Signer(paced).client().put("key").status == 201
        assert answered(waiting) < SENT


def test_logins_step_back(paced: Wharf) -> None:
    """Where processors are scarce, whoever verifies secrets has less of them than files have."""

    def priorities(name: str) -> set[int]:
        return {os.getpriority(os.PRIO_PROCESS, pid) for pid in paced.processes(f"{name}.log")}

    assert min(priorities("auth")) > max(priorities("upload") | priorities("nginx"))
