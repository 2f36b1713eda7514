"""The live channel behind the gateway: its requests, and nginx's responses without it."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.servers.fake_live import FIRST_EVENT, FakeLive, fake_live
from tests.servers.gateway import Running
from tests.servers.wharf.raw_http import until
from wharf_gateway.readiness import get

ROOT = Path(__file__).resolve().parents[3]
WEBSOCKET = ("Upgrade: websocket", "Connection: Upgrade")
STREAM = ("Accept: text/event-stream",)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield a gateway with a live channel, which allows each address eight connections to it."""
    folder = tmp_path_factory.mktemp("g")
    settings = {
        "WHARF_LIVE_SOCKET": f"{folder}/upload/live.sock",
        "WHARF_LIVE_ADDRESS_CONNECTIONS": "8",
        "WHARF_DRAIN_SECONDS": "1",
    }
    made = Running(folder, **settings)
    try:
        assert until(made.answers), made.output
        yield made
    finally:
        made.end(signal.SIGINT)


@pytest.fixture
def live(gateway: Running) -> Iterator[FakeLive]:
    """Yield a simulated live channel behind the gateway."""
    path = gateway.folder / "upload/live.sock"
    with fake_live(path) as found:
        yield found
    path.unlink()


@contextmanager
def asked(
    gateway: Running, first: str, *fields: str, body: bytes = b""
) -> Iterator[tuple[socket.socket, str]]:
    """Send a request, and yield the connection, which stays open, and the head of the response."""
    lines = (f"{first} HTTP/1.1", f"Host: files.example:{gateway.port}", *fields)
    with gateway.connect() as connection:
        connection.sendall("\r\n".join((*lines, "", "")).encode() + body)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            assert byte, head
            head += byte
        yield connection, head.decode()


def problem(connection: socket.socket, head: str) -> dict[str, str]:
    """Read and return the problem of a refusal."""
    assert "application/problem+json" in head
    size = int(head.partition("Content-Length: ")[2].partition("\r\n")[0])
    found: dict[str, str] = json.loads(connection.recv(size, socket.MSG_WAITALL))
    return found


def test_a_websocket(gateway: Running, live: FakeLive) -> None:
    """WebSocket bytes pass in both directions.

    The live channel gets the client's real address, and no cookie of the console.
    """
    fields = ("Cookie: wharf=secret", "X-Forwarded-For: 203.0.113.9", "X-Request-Id: request-one")
    with asked(gateway, "GET /socket.io/?EIO=4", *WEBSOCKET, *fields) as (connection, head):
        assert head.startswith("HTTP/1.1 101 ")
        assert "X-Request-Id: request-one" in head
        assert "X-Wharf-Who" not in head
        connection.sendall(b"hello")
        assert connection.recv(5, socket.MSG_WAITALL) == b"hello"
    found = live.heads[-1]
    assert found[""] == "GET /socket.io/?EIO=4 HTTP/1.1"
    assert found["host"] == f"files.example:{gateway.port}"
    assert found["x-forwarded-for"] == "127.0.0.1"
    assert found["x-request-id"] == "request-one"
    assert found["connection"] == "upgrade"
    assert "cookie" not in found


def test_another_upgrade_is_none(gateway: Running, live: FakeLive) -> None:
    """nginx upgrades a connection only to WebSocket, because requests over h2c would
    bypass the limits.
    """
    with asked(gateway, "GET /socket.io/", "Upgrade: h2c", "Connection: Upgrade") as (_, head):
        assert head.startswith("HTTP/1.1 200 ")
    assert not {"upgrade", "connection"} & {name for name, value in live.heads[-1].items() if value}


@pytest.mark.parametrize(
    "accept", ["text/event-stream", "application/json;q=0.5, Text/Event-Stream; q=0.9"]
)
def test_a_stream_of_events(gateway: Running, live: FakeLive, accept: str) -> None:
    """An event arrives when it happens, and nginx passes the query on.

    `Vary` separates the stream from the list in caches.
    """
    fields = (f"Accept: {accept}", "Authorization: Bearer x", "Last-Event-ID: 7")
    with asked(gateway, "GET /v1/events?after=7", *fields) as (connection, head):
        assert head.startswith("HTTP/1.1 200 ")
        assert "Vary: Accept" in head
        assert "X-Content-Type-Options: nosniff" in head
        assert FIRST_EVENT in connection.recv(4096)
    found = live.heads[-1]
    assert found[""] == "GET /v1/events?after=7 HTTP/1.1"
    assert (found["authorization"], found["last-event-id"]) == ("Bearer x", "7")


@pytest.mark.parametrize(
    ("method", "accept"),
    [
        ("GET", "*/*"),
        ("GET", "application/json"),
        ("GET", "text/event-streams"),
        ("HEAD", STREAM[0].partition(" ")[2]),
    ],
)
def test_the_list_of_events(gateway: Running, live: FakeLive, method: str, accept: str) -> None:
    """nginx sends a request that does not accept an event stream to the upload service,
    which is down here.
    """
    with asked(gateway, f"{method} /v1/events", f"Accept: {accept}") as (_, head):
        assert head.startswith("HTTP/1.1 503 ")
    assert live.heads == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_of_another_origin(gateway: Running, live: FakeLive, method: str) -> None:
    """nginx sends preflight requests for GET to the live channel, and no
    preflight for another method.
    """
    fields = ("Origin: https://app.example", f"Access-Control-Request-Method: {method}")
    with asked(gateway, "OPTIONS /v1/events", *fields) as (_, head):
        assert head.startswith("HTTP/1.1 200 ") == (method == "GET")
    assert len(live.heads) == (method == "GET")


def test_who_polls(gateway: Running, live: FakeLive) -> None:
    """nginx passes on a polling client's message, and refuses a long one before reading it."""
    with asked(gateway, "POST /socket.io/?sid=1", "Content-Length: 5", body=b"hello") as (
        own,
        head,
    ):
        assert head.startswith("HTTP/1.1 200 ")
        assert own.recv(5, socket.MSG_WAITALL) == b"hello"
    with asked(gateway, "POST /socket.io/?sid=1", "Content-Length: 70000") as (own, head):
        assert problem(own, head)["type"] == "/problems/too-large"
    assert len(live.heads) == 1


def test_without_the_service(gateway: Running) -> None:
    """Without a live channel a request gets 503 with `Retry-After`."""
    for first in ("GET /socket.io/", "GET /v1/events"):
        with asked(gateway, first, *STREAM) as (connection, head):
            assert head.startswith("HTTP/1.1 503 ")
            assert "Retry-After: " in head
            assert problem(connection, head)["type"] == "/problems/unavailable"


def test_an_address_has_its_share(gateway: Running, live: FakeLive) -> None:
    """Connections above an address's share get `quota-exceeded`, and requests are still served."""
    with ExitStack() as stack:
        opened = [stack.enter_context(asked(gateway, "GET /v1/events", *STREAM)) for _ in range(9)]
        refused = [problem(*one) for one in opened if " 200 " not in one[1]]
        assert {one["type"] for one in refused} == {"/problems/quota-exceeded"}
        assert len(live.heads) <= 8
        assert gateway.answers()


def test_what_is_logged(gateway: Running, live: FakeLive) -> None:
    """The log contains no token from an address. Live connections count
    under the operation `live`.
    """
    with asked(gateway, "GET /socket.io/?token=not-to-be-logged", *WEBSOCKET):
        assert live.heads
    lines = gateway.folder / "upload/requests.tsv"
    assert until(lambda: "live\tGET\t101\t" in lines.read_text())
    assert until(lambda: '"operation":"live"' in gateway.output)
    assert "not-to-be-logged" not in gateway.output + lines.read_text()


def test_metrics(gateway: Running, live: FakeLive) -> None:
    """The live channel's metrics are on the internal port and on no other port."""
    path = "/metrics/live"
    assert get("127.0.0.1", gateway.metrics_port, path) == (200, "wharf_live_up 1")
    assert live.heads[-1][""] == "GET /metrics HTTP/1.1"
    assert get("127.0.0.1", gateway.port, path)[0] != 200


def begun(gateway: Running, query: str) -> list[bytes]:
    """Request Socket.IO 300 times on one connection, and return the status of each response."""
    request = f"GET /socket.io/?{query} HTTP/1.1\r\nHost: localhost\r\n"
    last = f"{request}Connection: close\r\n\r\n"
    with gateway.connect() as connection:
        connection.sendall((f"{request}\r\n" * 299 + last).encode())
        with connection.makefile("rb") as answers:
            return re.findall(rb"HTTP/1\.1 (\d+) ", answers.read())


@pytest.mark.parametrize("query", ["EIO=4&transport=polling", "EIO=4&sid=", "EIO=4&SID=1"])
def test_who_begins_to_poll_again_and_again(gateway: Running, live: FakeLive, query: str) -> None:
    """An address that starts many polling sessions without a token gets 429.

    A session that was started may continue.
    """
    told = begun(gateway, query)
    assert len(told) == 300
    assert set(told) == {b"200", b"429"}
    assert len(live.heads) == told.count(b"200")
    assert set(begun(gateway, "EIO=4&sid=1&t=2")) == {b"200"}


def test_the_end_is_not_waited_for(tmp_path: Path) -> None:
    """An open live connection delays the end of nginx for `WHARF_DRAIN_SECONDS` at most."""
    path = tmp_path / "upload/live.sock"
    made = Running(tmp_path, WHARF_LIVE_SOCKET=str(path), WHARF_DRAIN_SECONDS="0")
    assert until(made.answers), made.output
    with fake_live(path), asked(made, "GET /socket.io/", *WEBSOCKET) as (connection, _):
        assert made.end(signal.SIGTERM) == 0
        assert connection.recv(1) == b""
