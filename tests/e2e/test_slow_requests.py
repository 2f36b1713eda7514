"""Slow requests: the gateway cuts requests that arrive too slowly, and no other slow traffic."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.raw_http import RawConnection, head, parse, until
from tests.servers.wharf.tenants import Signer

WINDOW_SECONDS, FLOOR_BYTES_PER_SECOND = 2, 2000
# Several windows, after which every connection below the minimum rate has been cut.
LONG_SECONDS = 2 * WINDOW_SECONDS + 1
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def strict() -> Iterator[Wharf]:
    """Start a Wharf with a short window."""
    with running(
        WHARF_BODY_WINDOW_SECONDS=str(WINDOW_SECONDS),
        WHARF_BODY_MIN_BYTES_PER_SECOND=str(FLOOR_BYTES_PER_SECOND),
    ) as found:
        yield found


@pytest.fixture
def client(strict: Wharf) -> ApiClient:
    """Return a client of a separate tenant."""
    return Signer(strict).client()


def put(client: ApiClient, key: str, *fields: str) -> bytes:
    """Return the head of an upload."""
    line = f"PUT /v1/files/default/{key} HTTP/1.1"
    return head(line, f"Authorization: Bearer {client.token}", *fields)


def form(client: ApiClient) -> bytes:
    """Return the head and the beginning of a form of 9 MB."""
    begin = head(
        "POST /v1/files/default HTTP/1.1",
        f"Authorization: Bearer {client.token}",
        "Content-Type: multipart/form-data; boundary=b",
        "Content-Length: 9000000",
    )
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    return begin + part + bytes(2 * MEBIBYTE)


def login(_: ApiClient) -> bytes:
    """Return the head of a login whose body never arrives."""
    form_type = "Content-Type: application/x-www-form-urlencoded"
    return head("POST /auth/oauth/token HTTP/1.1", form_type, "Content-Length: 5000")


BEGINNINGS: dict[str, Callable[[ApiClient], bytes]] = {
    "spooled": lambda client: put(client, "a", "Content-Length: 9000000") + bytes(2 * MEBIBYTE),
    "chunked": lambda client: (
        put(client, "b", "Transfer-Encoding: chunked") + b"200000\r\n" + bytes(MEBIBYTE)
    ),
    "form": form,
    "in-memory": lambda client: put(client, "c", "Content-Length: 50000"),
    "login": login,
    "head": lambda _: b"GET /v1/usage HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ",
}


def ended(connection: RawConnection) -> bool:
    """Tell whether the gateway has closed the connection."""
    connection.socket.settimeout(0.3)
    try:
        return connection.socket.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_a_drip_is_cut(
    strict: Wharf, client: ApiClient, beginning: Callable[[ApiClient], bytes]
) -> None:
    """A request that arrives byte by byte is cut, and leaves nothing in the spool."""
    spool = strict.data / "spool" / "native"
    cuts = cut_requests(strict)
    with RawConnection(strict.port) as connection:
        connection.send(beginning(client))

        def drip() -> bool:
            connection.send(b"x")
            return ended(connection)

        assert until(drip, 60)
    assert until(lambda: list(spool.iterdir()) == [])
    assert client.listed() == []
    assert until(lambda: cut_requests(strict) == cuts + 1)
    assert until(lambda: "bytes per second, from 127.0.0.1" in strict.output.read_text())


def cut_requests(strict: Wharf) -> int:
    """Return the gateway's count of cut requests."""
    url = f"http://127.0.0.1:{strict.metrics_port}/metrics/gateway"
    with urllib.request.urlopen(url, timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    [line] = [line for line in lines if line.startswith("wharf_gateway_slow_bodies_cut_total ")]
    return int(line.split()[1])


def test_a_slow_body_above_the_floor_is_stored(strict: Wharf, client: ApiClient) -> None:
    """A body above the minimum rate is stored, even if it takes several windows."""
    pieces = LONG_SECONDS * 5
    piece = bytes(4 * FLOOR_BYTES_PER_SECOND // 5)
    length = pieces * len(piece)
    with RawConnection(strict.port) as connection:
        fields = (f"Content-Length: {length}", "Connection: close")
        connection.send(put(client, "slow", *fields))
        for _ in range(pieces):
            connection.send(piece)
            time.sleep(0.2)
        [answer] = connection.answers()
    assert answer.status == 201
    assert answer.json()["size"] == length


def test_an_idle_connection_is_kept(strict: Wharf, client: ApiClient) -> None:
    """A connection may be idle between two requests for several windows."""
    request = head("GET /v1/usage HTTP/1.1", f"Authorization: Bearer {client.token}")
    with RawConnection(strict.port) as connection:
        for _ in range(2):
            assert connection.silent_for(LONG_SECONDS / 2)
            connection.send(request)
            [answer] = parse(connection.socket.recv(65536))
            assert answer.status == 200
            assert connection.silent_for(LONG_SECONDS / 2)


def test_a_slow_download_is_kept(strict: Wharf, client: ApiClient) -> None:
    """A client that reads its file slowly gets the whole file."""
    content = bytes(8 * MEBIBYTE)
    client.stored("large", content)
    with RawConnection(strict.port) as connection:
        bearer = f"Authorization: Bearer {client.token}"
        request = head("GET /v1/files/default/large HTTP/1.1", bearer, "Connection: close")
        connection.send(request)
        received = b""
        for _ in range(LONG_SECONDS * 5):
            received += connection.socket.recv(1000)
            time.sleep(0.2)
        while chunk := connection.socket.recv(MEBIBYTE):
            received += chunk
    [answer] = parse(received)
    assert answer.body == content
