"""Clients that misbehave: they flood, send too much, send nonsense, or connect too often."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from servicekit.testing import Issuer
from tests.servers.live import LiveProcess, running_live
from tests.servers.live_clients import PATIENCE_SECONDS, listening, raw, streaming


def end_of(connection: ClientConnection) -> list[str]:
    """Return all messages until the server closes the connection."""
    # Any kind of close raises ConnectionClosed.
    said: list[str] = []
    with suppress(ConnectionClosed):
        while True:
            said.append(str(connection.recv(timeout=PATIENCE_SECONDS)))
    return said


def test_a_flood(live: LiveProcess, tenant: str) -> None:
    """A client may send ten messages in a row. The live channel refuses more, and
    then closes the connection.
    """
    said: list[str] = []
    with raw(live.url, live.token(tid=tenant)) as connection:
        # Each message waits for the response to the previous one, so none is in flight at the end.
        while len(said) < 1000 and '"bye"' not in "".join(said[-1:]):
            connection.send('42["msg",{"op":"ping"}]')
            said.append(str(connection.recv(timeout=PATIENCE_SECONDS)))
        end_of(connection)
    assert all('"ok":true' in one for one in said[:10])
    assert any("/problems/quota-exceeded" in one for one in said[10:-1])
    assert '"bye"' in said[-1]


def test_a_flood_of_frames_that_are_no_messages(live: LiveProcess, tenant: str) -> None:
    """The live channel also closes a connection that sends too many packets
    that get no response.
    """
    with raw(live.url, live.token(tid=tenant)) as connection:
        with suppress(ConnectionClosed):
            for _ in range(1000):
                connection.send("6")
        end_of(connection)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "9",
        "x",
        "4",
        "4[1]",
        "49",
        "42",
        "42{}",
        '42["connect",{},{"token":"x"}]',
        '42["disconnect"]',
        "42[[1],2]",
        '42["a"',
        "42" + "[" * 5000,
        "44{}",
        '451-["a",{"_placeholder":true,"num":0}',
        '4599-["a"]',
        "43[]",
        "42é",
        "42[" + "1" * 17_000 + "]",
        b"",
        b"binary",
        '451-["a",{"_placeholder":true,"num":7}]',
    ],
    ids=range(22),
)
def test_nonsense(live: LiveProcess, tenant: str, frame: str | bytes) -> None:
    """An invalid or too large frame ends its own connection and affects no other connection."""
    with (
        listening(live.url, live.token(tid=tenant)) as other,
        raw(live.url, live.token(tid=tenant)) as connection,
    ):
        connection.send(frame)
        end_of(connection)
        live.store(1, tenant=tenant)
        other.heard.wait("event")


def test_an_event_of_an_odd_name(live: LiveProcess, tenant: str) -> None:
    """An event whose name is not valid Unicode is refused like any unknown event."""
    with raw(live.url, live.token(tid=tenant)) as connection:
        connection.send(r'42["\ud800"]')
        assert '"ok":false' in str(connection.recv(timeout=20))


def test_a_second_handshake(live: LiveProcess, tenant: str) -> None:
    """A transport carries only one connection, so a second token on the transport is refused."""
    token = live.token(tid=tenant)
    with raw(live.url, token) as connection:
        other = live.token(tid=f"{tenant}-b")
        connection.send(f'40{{"token":"{other}"}}')
        assert str(connection.recv()).startswith("44")


def test_another_namespace(live: LiveProcess, tenant: str) -> None:
    """A connection to another namespace is refused."""
    with raw(live.url, live.token(tid=tenant)) as connection:
        connection.send("40/admin,")
        assert str(connection.recv()).startswith("44/admin,")


@pytest.mark.parametrize(
    ("method", "query", "headers", "status"),
    [
        ("GET", "EIO=3&transport=polling", {}, 400),
        ("GET", "EIO=4&transport=polling&j=0", {}, 400),
        ("GET", "EIO=4&transport=polling&sid=unknown", {}, 400),
        ("POST", "EIO=4&transport=polling&sid=unknown", {}, 400),
        ("DELETE", "EIO=4&transport=polling", {}, 405),
        ("GET", "EIO=4&transport=polling", {"Origin": "https://evil.example"}, 403),
        ("GET", "EIO=4&transport=smoke", {}, 400),
    ],
)
def test_bad_requests(
    live: LiveProcess, method: str, query: str, headers: dict[str, str], status: int
) -> None:
    """A request that is not valid Socket.IO is refused with a 4xx status, never with a 5xx."""
    url = f"{live.url}/socket.io/?{query}"
    assert httpx.request(method, url, headers=headers).status_code == status


def test_bodies_of_polling(live: LiveProcess) -> None:
    """The body of a polling request has the limits and checks of a frame."""
    url = f"{live.url}/socket.io/?EIO=4&transport=polling"
    session = httpx.get(url).text.partition('"sid":"')[2].partition('"')[0]
    for body, status in (
        (b"4" * 20_000, 413),
        (b"\xff", 400),
        (b"42[", 400),
        ("\x1e".join(["3"] * 17).encode(), 400),
        (b"d=42[]", 400),
        # These packets are for WebSockets only: engineio would wait until the client polls, and the
        # client may never poll.
        (b"2", 400),
        (b"6", 400),
    ):
        assert httpx.post(f"{url}&sid={session}", content=body).status_code == status


@pytest.fixture(scope="module")
def small(
    upload_template: Path, tmp_path_factory: pytest.TempPathFactory, issuer: Issuer
) -> Iterator[LiveProcess]:
    """Yield a process with small limits."""
    settings = {
        "WHARF_LIVE_CONNECTIONS_PER_SUBJECT": "2",
        "WHARF_LIVE_CONNECTIONS_PER_TENANT": "3",
        "WHARF_LIVE_CONNECTIONS": "6",
        "WHARF_LIVE_QUEUED_EVENTS": "100",
        "WHARF_LIVE_POLLING": "off",
    }
    folder = tmp_path_factory.mktemp("small")
    with running_live(upload_template, folder, issuer, settings) as process:
        yield process


def test_too_many_connections(small: LiveProcess, tenant: str) -> None:
    """Each client, each tenant and the process have a limit of open connections."""
    one, other = small.token(tid=tenant), small.token(tid=tenant, sub="client-2")
    with ExitStack() as stack:
        stack.enter_context(listening(small.url, one)).heard.wait("connect")
        with streaming(small.url, one) as stream:
            stream.wait("status")
            with listening(small.url, one) as third:
                assert third.heard.wait("connect_error")[0]["status"] == 429
            with streaming(small.url, one) as third:
                assert third.of("status") == [429]
            stack.enter_context(listening(small.url, other)).heard.wait("connect")
            with streaming(small.url, other) as fourth:
                assert fourth.of("status") == [429]
            for number in range(3):
                token = small.token(tid=f"{tenant}-{number}")
                stack.enter_context(listening(small.url, token)).heard.wait("connect")
            with streaming(small.url, small.token(tid=f"{tenant}-x")) as seventh:
                assert seventh.of("status") == [503]
        fourth.until(lambda: small.metric('wharf_live_connections{transport="sse"}') == 0)
        with streaming(small.url, other) as again:
            assert again.of("status") == [200]


def test_without_polling(small: LiveProcess) -> None:
    """If polling is off, as for several replicas, a polling request is refused."""
    answer = httpx.get(f"{small.url}/socket.io/?EIO=4&transport=polling")
    assert answer.status_code == 400


def test_a_slow_reader(small: LiveProcess, tenant: str) -> None:
    """Events are queued for a slow reader up to a limit.

    Above the limit, `resync` names the position from which to read.
    """
    address = urlsplit(small.url)
    with socket.socket() as slow, listening(small.url, small.token(tid=tenant)) as quick:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(PATIENCE_SECONDS)
        slow.connect((address.hostname, address.port))
        credential = f"Authorization: Bearer {small.token(tid=tenant)}"
        head = f"GET /v1/events HTTP/1.1\r\nHost: x\r\n{credential}"
        slow.sendall(f"{head}\r\nAccept: text/event-stream\r\n\r\n".encode())
        assert b"200 OK" in slow.recv(500)
        quick.heard.wait("connect")
        # More events than the kernel buffers for a reader and than the queue may keep.
        for number in range(8):
            small.store(50, tenant=tenant, metadata={"note": "x" * 20_000})
            quick.heard.wait("event", 50 * (number + 1))
        known: list[str] = []
        with slow.makefile("rb") as lines:
            for line in lines:
                if line.startswith(b"id: "):
                    known.append(line[4:].decode().strip())
                if line == b"event: resync\n":
                    break
            after = json.loads(next(lines).removeprefix(b"data: "))["after"]
        assert known[-1] == after
        assert known == small.cursors(tenant)[: len(known)]


def test_too_many_without_a_token(small: LiveProcess) -> None:
    """Transports without a token count against the limit, including those with an empty `sid`."""
    url = small.url.replace("http", "ws", 1)
    address = f"{url}/socket.io/?EIO=4&transport=websocket&sid="
    with ExitStack() as stack:

        def open_seven() -> None:
            for _ in range(7):
                stack.enter_context(connect(address))

        with pytest.raises(InvalidStatus) as refused:
            open_seven()
    assert refused.value.response.status_code == 503
