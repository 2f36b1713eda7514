"""Clients that do not read: nginx stores their responses, so the services stay free (ADR 61)."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.servers.nginx import RunningGateway, running
from tests.servers.nginx_pid import nginx_pid
from tests.servers.uwsgi_apps import serving
from tests.servers.wharf.raw_http import RawConnection, head, until

# More bytes than the kernel buffers for a client.
ANSWER_BYTES = 7 << 20
NOT_READING = 2
# A request to each service, and the service's socket. One thread serves each socket.
PLACES = {
    "GET /v1/usage": "upload.sock",
    "GET /v1/uploads/0": "receiver.sock",
    "GET /auth/me": "auth.sock",
    "POST /auth/login": "secrets.sock",
    "GET /console/": "console.sock",
}


def answering(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Respond with a long body if the query is `long`."""
    content = bytes(ANSWER_BYTES) if environ["QUERY_STRING"] == "long" else b"short"
    start("200 OK", [("Content-Length", str(len(content)))])
    return [content]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """Yield nginx with services that have one thread each."""
    folder = tmp_path_factory.mktemp("readers")
    sockets = folder / "sockets"
    settings = {
        "WHARF_AUTH_SOCKET": f"{sockets}/auth.sock",
        "WHARF_CONSOLE_SOCKET": f"{sockets}/console.sock",
        "WHARF_CONSOLE_DOOR": f"{sockets}/door.sock",
    }
    with running(folder, folder / "data", settings) as found, ExitStack() as stack:
        for name in PLACES.values():
            stack.enter_context(serving(found.sockets / name, answering, threads=False))
        yield found


def held(gateway: RunningGateway) -> int:
    """Return the number of responses that nginx stores on the disk; their files have no names."""
    folder = f"{gateway.gateway.settings.data}/answers/one/"
    master = nginx_pid(gateway.gateway.run)
    workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    found = 0
    for descriptors in (f"/proc/{worker}/fd" for worker in workers):
        for name in os.listdir(descriptors):
            with suppress(FileNotFoundError):  # another process closed it before
                found += os.readlink(f"{descriptors}/{name}").startswith(folder)
    return found


def test_threads_are_free(gateway: RunningGateway) -> None:
    """Each service serves another client while earlier clients do not read their responses."""
    with ExitStack() as stack:
        for line in PLACES:
            for _ in range(NOT_READING):
                connection = stack.enter_context(RawConnection(gateway.port))
                connection.send(head(f"{line}?long HTTP/1.1"))
        assert until(lambda: held(gateway) == NOT_READING * len(PLACES))
        for line in PLACES:
            method, _, path = line.partition(" ")
            assert gateway.ask(path, method).body == b"short"
    assert until(lambda: held(gateway) == 0)


def test_all_of_an_answer_comes(gateway: RunningGateway) -> None:
    """A client that reads late receives the complete response."""
    with RawConnection(gateway.port) as late:
        late.send(head("GET /v1/usage?long HTTP/1.1", "Connection: close"))
        assert until(lambda: held(gateway) == 1)
        received = b"".join(iter(lambda: late.socket.recv(1 << 20), b""))
    assert len(received.partition(b"\r\n\r\n")[2]) == ANSWER_BYTES


def test_by_the_consoles_door(gateway: RunningGateway) -> None:
    """A console that reads a response slowly does not delay its other requests."""
    door = f"{gateway.sockets}/door.sock"
    asking = b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n"
    with socket.socket(socket.AF_UNIX) as slow, socket.socket(socket.AF_UNIX) as other:
        slow.connect(door)
        slow.sendall(asking + head("GET /v1/usage?long HTTP/1.1"))
        other.settimeout(30)
        other.connect(door)
        other.sendall(asking + head("GET /v1/usage HTTP/1.1", "Connection: close"))
        assert b"".join(iter(lambda: other.recv(65536), b"")).endswith(b"short")
