"""Rate limits per client, across workers, and nginx's own limits by address (rows 72, 73).

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from socket_guard import connections
from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.raw_http import RawConnection, exchange, head, until
from tests.servers.wharf.tenants import Signer, set_limits
from tests.servers.wharf.traces import nothing_stored, traces

LIMIT, TENANT_LIMIT, CONNECTIONS, OPEN_CONNECTIONS = 12, 18, 4, 64
WINDOW_SECONDS = 60


@pytest.fixture(scope="module")
def strict() -> Iterator[Wharf]:
    """Start a Wharf with small limits and four workers."""
    with running(
        WHARF_CLIENT_REQUESTS_PER_MINUTE=str(LIMIT),
        WHARF_TENANT_REQUESTS_PER_MINUTE=str(TENANT_LIMIT),
        WHARF_ADDRESS_CONNECTIONS=str(CONNECTIONS),
        WHARF_ADDRESS_OPEN_CONNECTIONS=str(OPEN_CONNECTIONS),
        WHARF_UPLOAD_PROCESSES="4",
    ) as found:
        yield found


@pytest.fixture
def client(strict: Wharf) -> ApiClient:
    """Return a client that has not made a request yet."""
    return Signer(strict).client()


def in_one_window(attempt: Callable[[], list[Answer]]) -> list[Answer]:
    """Return the responses of an attempt within one rate limit window, after up to three tries."""
    for _ in range(3):
        begin = time.time() // WINDOW_SECONDS
        answers = attempt()
        if time.time() // WINDOW_SECONDS == begin:
            return answers
    raise AssertionError("a few requests took longer than a minute")


def statuses(answers: list[Answer]) -> tuple[int, int]:
    """Return the numbers of accepted and of limited requests; no other status may occur."""
    limited = sum(answer.status == 429 for answer in answers)
    through = sum(answer.status in (200, 201, 404) for answer in answers)
    assert limited + through == len(answers)
    return through, limited


WAYS: dict[str, Callable[[ApiClient], Answer]] = {
    "flask": lambda api: api.get("/v1/usage"),
    "get": lambda api: api.file("absent"),
    "put-in-memory": lambda api: api.put("key", SMALL),
    "put-spooled": lambda api: api.put("key", LARGE),
    "form": lambda api: api.post(file_part("key")),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_limited_client(strict: Wharf, way: str) -> None:
    """A client that has used up its requests of a minute gets 429 with the time to wait."""
    send = WAYS[way]

    def attempt() -> list[Answer]:
        api = Signer(strict).client()
        answers = [send(api) for _ in range(LIMIT)]
        with nothing_stored(strict, api.tenant):
            return [*answers, send(api)]

    answers = in_one_window(attempt)
    assert statuses(answers) == (LIMIT, 1)
    refused = answers[-1]
    document = refused.problem(429, "quota-exceeded")
    seconds = int(refused.header("Retry-After"))
    assert 1 <= seconds <= WINDOW_SECONDS
    assert document["retry_after"] == seconds
    assert document["violated_policies"] == ["client"]
    assert refused.header("RateLimit") == f'"client";r=0;t={seconds}'
    assert refused.header("RateLimit-Policy") == f'"client";q={LIMIT};w={WINDOW_SECONDS}'


def test_one_count_for_all_ways(strict: Wharf) -> None:
    """All ways to send a request share one count, so a used-up limit applies to every way."""

    def attempt() -> list[Answer]:
        api = Signer(strict).client()
        return [send(api) for _ in range(4) for send in WAYS.values()]

    assert statuses(in_one_window(attempt)) == (LIMIT, 4 * len(WAYS) - LIMIT)


def test_forwarded_addresses_change_nothing(strict: Wharf) -> None:
    """Row 72: a changing X-Forwarded-For or similar field does not change the request count."""

    def attempt() -> list[Answer]:
        api = Signer(strict).client()
        answers = []
        for number in range(2 * LIMIT):
            address = f"192.0.2.{number}"
            fields = {
                "X-Forwarded-For": address,
                "X-Real-IP": address,
                "Forwarded": f"for={address}",
            }
            answers.append(api.get("/v1/usage", fields))
        return answers

    assert statuses(in_one_window(attempt)) == (LIMIT, LIMIT)


def test_workers_share_the_count(strict: Wharf) -> None:
    """Row 73: four workers together allow as many requests as one worker would."""

    def attempt() -> list[Answer]:
        api = Signer(strict).client()
        return [api.get("/v1/usage") for _ in range(4 * LIMIT)]

    assert statuses(in_one_window(attempt)) == (LIMIT, 3 * LIMIT)


def test_clients_share_the_tenants_count(strict: Wharf) -> None:
    """Two clients of a tenant share the tenant's limit; another tenant has its own limit."""

    def attempt() -> list[Answer]:
        signer = Signer(strict)
        one = signer.client()
        two = signer.client(tid=one.tenant)
        assert signer.client().get("/v1/usage").status == 200
        return [api.get("/v1/usage") for api in (one, two) for _ in range(LIMIT)]

    answers = in_one_window(attempt)
    assert statuses(answers) == (TENANT_LIMIT, 2 * LIMIT - TENANT_LIMIT)
    assert answers[-1].json()["violated_policies"] == ["tenant"]


def test_refusals_are_not_counted_against_others(strict: Wharf, client: ApiClient) -> None:
    """Requests with an invalid token do not count against the limit of any client."""
    for _ in range(2 * LIMIT):
        client.using("bad").get("/v1/usage").problem(401, "token-malformed")
    assert client.get("/v1/usage").status == 200
    assert strict.port == client.port


def test_an_address_with_too_many_connections(strict: Wharf, client: ApiClient) -> None:
    """nginx's own limit by address sends a problem document, and ignores X-Forwarded-For."""
    bearer = f"Authorization: Bearer {client.token}"
    slow = head("PUT /v1/files/default/slow HTTP/1.1", bearer, "Content-Length: 2000000")
    forwarded = head("GET /healthz HTTP/1.1", "X-Forwarded-For: 192.0.2.1", "Connection: close")
    with nothing_stored(strict, client.tenant):
        with ExitStack() as stack:
            for _ in range(CONNECTIONS):
                connection = stack.enter_context(RawConnection(strict.port))
                # nginx keeps a smaller body in memory. A spool file thus shows that the gateway
                # admitted the request.
                connection.send(slow + b"x" * 1_500_000)
            assert until(lambda: len(traces(strict, client.tenant).spool) == CONNECTIONS)
            (answer,) = exchange(strict.port, forwarded)
        assert (answer.status, answer.slug) == (429, "quota-exceeded")
        assert answer.json()["violated_policies"] == ["address"]
        assert answer.headers["Retry-After"] == "1"
    (answer,) = exchange(strict.port, forwarded)
    assert answer.status == 200


def test_an_address_with_too_many_half_sent_requests(strict: Wharf, client: ApiClient) -> None:
    """Half-sent requests above an address's share are closed; its whole requests get responses."""
    address, attacker = ("127.0.0.1", strict.port), ("127.0.0.2", 0)
    whole = head("GET /healthz HTTP/1.1", "Connection: close")
    with ExitStack() as stack:
        for _ in range(2 * OPEN_CONNECTIONS):
            half = socket.create_connection(address, timeout=30, source_address=attacker)
            stack.enter_context(half).sendall(whole[:-2])
        assert until(lambda: connections.count(strict.port)[attacker[0]] == OPEN_CONNECTIONS)
        with socket.create_connection(address, timeout=30, source_address=attacker) as own:
            own.sendall(whole)
            assert own.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert client.get("/v1/usage").status == 200
    assert until(lambda: "connections above the share of an address" in strict.output.read_text())


def test_a_limit_that_was_set_holds_over_workers(strict: Wharf) -> None:
    """Row 73: four workers also share the request limit that is set for one tenant."""

    def attempt() -> list[Answer]:
        signer = Signer(strict)
        api = signer.client()
        own = {"requests_per_minute": 5, "client_requests_per_minute": 5}
        assert set_limits(signer, api.tenant, **own).status == 200
        return [send(api) for _ in range(5) for send in WAYS.values()]

    assert statuses(in_one_window(attempt)) == (5, 5 * len(WAYS) - 5)


def test_bytes_of_a_minute_over_workers(strict: Wharf) -> None:
    """Uploaded bytes have one count for all workers and ways; the refusal comes before the body."""

    def attempt() -> list[Answer]:
        signer = Signer(strict)
        api = signer.client()
        assert set_limits(signer, api.tenant, bytes_per_minute=2 * len(LARGE)).status == 200
        answers = [api.put("one", LARGE), api.put("two", LARGE)]
        with nothing_stored(strict, api.tenant):
            return [*answers, api.put("more", LARGE), api.put("more", SMALL), api.file("one")]

    answers = in_one_window(attempt)
    assert [answer.status for answer in answers] == [201, 201, 429, 429, 200]
    for refused in answers[2:4]:
        assert refused.json()["violated_policies"] == ["tenant-bytes"]
        assert refused.header("RateLimit-Policy").endswith(';w=60;qu="content-bytes"')
