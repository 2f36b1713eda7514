"""Writes and logins above their rate: they wait for their turn, and delay no other client."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlencode

import pytest

from tests.servers.promised import holds
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.people import PASSWORD, make
from tests.servers.wharf.raw_http import RawAnswer, RawConnection, head, until
from tests.servers.wharf.tenants import Signer

# The last of SENT requests has its turn after two minutes. The other requests of a test take far
# less. TOO_MANY is more than the number that may wait, even if sending the requests takes a minute.
WAITING, SENT, TOO_MANY = 160, 140, 240
FORM, CLOSE = "application/x-www-form-urlencoded", "Connection: close"


@pytest.fixture(scope="module")
def paced() -> Iterator[Wharf]:
    """Start a Wharf with one write per credential and one login per address each second."""
    with running(
        WHARF_CREDENTIAL_WRITES_PER_SECOND="1",
        WHARF_CREDENTIAL_WRITES_WAITING=str(WAITING),
        WHARF_ADDRESS_LOGINS_PER_SECOND="1",
        WHARF_ADDRESS_LOGINS_WAITING=str(WAITING),
    ) as found:
        yield found


def answered(connections: list[RawConnection]) -> int:
    """Return how many of the connections have received a response or were closed."""
    return sum(not connection.silent_for(0.001) for connection in connections)


def refused(connection: RawConnection) -> bool:
    """Tell whether the connection already has a response, and its status is 429."""
    if connection.silent_for(0.001):
        return False
    return connection.socket.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 429"


def sent(
    wharf: Wharf, stack: ExitStack, *requests: bytes, source: str = "127.0.0.1"
) -> list[RawConnection]:
    """Return connections on which the requests of one address have been sent."""
    connections = [stack.enter_context(RawConnection(wharf.port, source)) for _ in requests]
    for connection, request in zip(connections, requests, strict=True):
        connection.send(request)
    return connections


def write(api: ApiClient, number: int) -> bytes:
    """Return a small upload."""
    bearer = f"Authorization: Bearer {api.token}"
    return head(f"PUT /v1/files/default/{number} HTTP/1.1", bearer, "Content-Length: 1") + b"x"


def login(wharf: Wharf, name: str) -> bytes:
    """Return a login of a client."""
    found = wharf.credentials(name)
    pair = f"{found['client_id']}:{found['client_secret']}".encode()
    body = b"grant_type=client_credentials"
    return (
        head(
            "POST /auth/oauth/token HTTP/1.1",
            f"Authorization: Basic {base64.b64encode(pair).decode()}",
            f"Content-Type: {FORM}",
            f"Content-Length: {len(body)}",
            CLOSE,
        )
        + body
    )


def form(path: str, **fields: str) -> bytes:
    """Return a form to auth, on a connection that closes after its response."""
    body = urlencode(fields).encode()
    head_fields = (f"Content-Type: {FORM}", f"Content-Length: {len(body)}", CLOSE)
    return head(f"POST {path} HTTP/1.1", *head_fields) + body


def guess(path: str) -> bytes:
    """Return a form with a wrong secret."""
    return form(
        path,
        grant_type="client_credentials",
        token="x",
        client_id="wharf-demo",
        client_secret="wrong",
    )


def own_secret(wharf: Wharf, name: str) -> dict[str, str]:
    """Return id and secret of a client, as fields of a form."""
    found = wharf.credentials(name)
    return {"client_id": found["client_id"], "client_secret": found["client_secret"]}


def own_login(wharf: Wharf, name: str) -> bytes:
    """Return a login of a client by a form, in which nginx sees no credential to count."""
    return form("/auth/oauth/token", grant_type="client_credentials", **own_secret(wharf, name))


def token_of(answer: RawAnswer) -> str:
    """Return the access token from a response."""
    return str(answer.json()["access_token"])


def enter(tenant: str, username: str) -> bytes:
    """Return a login of a person."""
    names = {"tenant": tenant, "username": username, "password": PASSWORD}
    body = json.dumps(names).encode()
    fields = ("Content-Type: application/json", f"Content-Length: {len(body)}", CLOSE)
    return head("POST /auth/login HTTP/1.1", *fields) + body


def ask(wharf: Wharf, request: bytes, source: str) -> RawAnswer:
    """Return the response to one request from an address."""
    with RawConnection(wharf.port, source) as connection:
        connection.send(request)
        return connection.answers()[-1]


def test_writes_of_a_credential_wait(paced: Wharf) -> None:
    """A flood of writes waits, while reads and other clients are served."""
    signer = Signer(paced)
    flooding = signer.client()
    with ExitStack() as stack:
        waiting = sent(paced, stack, *(write(flooding, number) for number in range(SENT)))
        assert flooding.get("/v1/usage").status == 200
        assert signer.client().put("key").status == 201
        through = answered(waiting)
        assert through < SENT
        # nginx lets a small burst pass immediately, because a page may save several files.
        assert until(lambda: answered(waiting) > 0)


def test_more_writes_than_may_wait_are_refused(paced: Wharf) -> None:
    """If a client sends more writes than may wait, nginx refuses at least one of them with 429."""
    flooding = Signer(paced).client()
    with ExitStack() as stack:
        waiting = sent(paced, stack, *(write(flooding, number) for number in range(TOO_MANY)))
        # The order in which nginx's processes accept the
        # connections decides whether a write is one too many.
        assert until(lambda: any(refused(connection) for connection in waiting))


def test_logins_of_an_address_wait(paced: Wharf) -> None:
    """A flood of logins waits in nginx, while requests without a secret are served."""
    with ExitStack() as stack:
        waiting = sent(paced, stack, *[login(paced, "demo")] * SENT)
        assert ApiClient(paced.port).get("/auth/readyz").status == 200
        assert Signer(paced).client().put("key").status == 201
        assert answered(waiting) < SENT


def test_secrets_of_an_address_wait(paced: Wharf) -> None:
    """Introspections and revocations have the rate of logins, even with the secret in a form."""
    ways = (guess("/auth/oauth/introspect"), guess("/auth/oauth/revoke"))
    with ExitStack() as stack:
        waiting = sent(paced, stack, *(ways * (SENT // 2)), source="127.0.0.5")
        assert ask(paced, head("GET /auth/me HTTP/1.1", CLOSE), "127.0.0.5").status == 401
        assert answered(waiting) < SENT


def test_secrets_hold_up_nobody(paced: Wharf) -> None:
    """While wrong secrets from four addresses wait, other addresses log in and are served."""
    admin, demo = own_login(paced, "admin"), own_login(paced, "demo")
    ada = make(ApiClient(paced.port, token_of(ask(paced, admin, "127.0.0.8"))), "demo")
    person = enter("demo", ada.username)
    people = ApiClient(paced.port, token_of(ask(paced, person, "127.0.0.8")))
    with ExitStack() as stack:
        for number in range(4):
            flood = [guess("/auth/oauth/token")] * 40
            sent(paced, stack, *flood, source=f"127.0.0.{10 + number}")
        token = token_of(ask(paced, demo, "127.0.0.6"))
        api = ApiClient(paced.port, token)
        assert api.get("/v1/usage").status == 200
        assert api.get("/.well-known/jwks.json").status == 200
        assert people.get("/auth/me").status == 200
        assert ask(paced, person, "127.0.0.9").status == 200
        revocation = form("/auth/oauth/revoke", token=token, **own_secret(paced, "demo"))
        assert ask(paced, revocation, "127.0.0.7").status == 200
        assert holds(lambda: api.get("/v1/usage").status == 401)


def test_logins_step_back(paced: Wharf) -> None:
    """The processes of auth have a lower CPU priority than those of upload and nginx."""

    def priorities(name: str) -> set[int]:
        return {os.getpriority(os.PRIO_PROCESS, pid) for pid in paced.processes(f"{name}.log")}

    assert min(priorities("auth")) > max(priorities("upload") | priorities("nginx"))
