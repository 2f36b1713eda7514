"""A gateway with few connections, and an address that uses many for half-sent requests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from socket_guard import connections
from tests.servers.nginx import ROOT
from tests.servers.ports import free_ports
from tests.servers.uwsgi_apps import serving
from tests.servers.wharf.raw_http import parse, until

# nginx accepts half as many connections; clients may have three quarters of these connections, and
# one address half of the clients' share.
DESCRIPTORS, SHARE, ALL = 1024, 192, 384
ATTACKER, OTHER, PROXY = "127.0.0.2", "127.0.0.3", "127.0.0.4"

# The program of the first process in the gateway's container.
_FIRST_PROCESS = """
import os, resource, sys
from wharf_gateway.container import Gateway
from wharf_gateway.first_process import run
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[2])))
gateway = Gateway(os.environ, root=sys.argv[1])
gateway.prepare()
sys.exit(run(gateway, os.environ))
"""
_HALF = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-More: "
_HALF_BODY = b"POST /v1/buckets HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n{"
_WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Scene:
    """One gateway and the clients that connect to it."""

    port: int
    output: Path
    clients: ExitStack

    def connect(self, address: str, data: bytes = b"") -> socket.socket:
        """Open a connection that stays open until the end of the test."""
        client = socket.create_connection(
            ("127.0.0.1", self.port), timeout=30, source_address=(address, 0)
        )
        self.clients.enter_context(client)
        client.sendall(data)
        return client

    def crowd(self, address: str, number: int, data: bytes = b"") -> list[socket.socket]:
        """Open `number` connections from one address."""
        return [self.connect(address, data) for _ in range(number)]

    def is_served(self, client: socket.socket) -> bool:
        """Send a complete request, and tell whether the service's response arrives."""
        try:
            client.sendall(_WHOLE)
            [answer] = parse(client.recv(65536))
        except (ConnectionError, ValueError):
            return False
        return answer.status == 200

    def open(self, address: str) -> int:
        """Return how many connections of an address the kernel lists."""
        return connections.count(self.port)[address]


def _service(_: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Yield a gateway whose first process may open few descriptors."""
    folder = tmp_path_factory.mktemp("gateway")
    sockets, output = folder / "sockets", folder / "output"
    sockets.mkdir()
    port, metrics_port = free_ports()
    environ = {
        "PATH": os.environ["PATH"],
        "WHARF_DATA": str(folder / "data"),
        "WHARF_GATEWAY_RUN": str(folder / "nginx"),
        "WHARF_SOCKETS": str(sockets),
        "WHARF_NGINX_WORKERS": "1",
        "WHARF_PORT": str(port),
        "WHARF_METRICS_PORT": str(metrics_port),
        "WHARF_TRUSTED_PROXIES": f"192.0.2.0/24, {PROXY}",
    }
    words = [sys.executable, "-c", _FIRST_PROCESS, str(ROOT), str(DESCRIPTORS)]
    with (
        serving(sockets / "upload.sock", _service),
        output.open("w") as stream,
        subprocess.Popen(words, env=environ, stdout=stream, stderr=stream) as process,
    ):
        try:
            with ExitStack() as clients:
                scene = Scene(port, output, clients)
                assert until(lambda: _serves(scene)), output.read_text()
                yield scene
        finally:
            process.terminate()


def _serves(scene: Scene) -> bool:
    # nginx listens for a moment before it serves, to test its configuration.
    with suppress(ConnectionError), scene.connect(OTHER) as client:
        return scene.is_served(client)
    return False


@pytest.fixture
def scene(gateway: Scene) -> Iterator[Scene]:
    """Yield the gateway while no client is connected to it."""
    assert until(lambda: not connections.count(gateway.port))
    with gateway.clients:
        yield gateway
    assert until(lambda: not connections.count(gateway.port))


def test_fewer_descriptors_are_fewer_connections(gateway: Scene) -> None:
    """With few descriptors nginx gets a lower limit of connections, which the gateway logs."""
    text = (gateway.output.parent / "nginx" / "nginx.conf").read_text()
    assert f"worker_rlimit_nofile {DESCRIPTORS};" in text
    assert f"worker_connections {DESCRIPTORS // 2};" in text
    line = "each worker of nginx accepts 512 connections instead of 8192, because"
    assert until(lambda: line in gateway.output.read_text())


@pytest.mark.parametrize("data", [b"", _HALF, _HALF_BODY], ids=["silent", "head", "body"])
def test_half_sent_requests_of_one_address(scene: Scene, data: bytes) -> None:
    """If an address sends many incomplete requests, its connections are cut to its share.

    All complete requests are served.
    """
    before = scene.connect(ATTACKER)
    assert scene.is_served(before)
    for _ in range(2):
        scene.crowd(ATTACKER, ALL // 2 + 60, data)
        assert until(lambda: scene.open(ATTACKER) == SHARE)
        assert scene.is_served(scene.connect(OTHER))
        assert scene.is_served(scene.connect(ATTACKER))
    assert scene.is_served(before)


def test_many_addresses(scene: Scene) -> None:
    """Many addresses are cut to an equal share each, so that new clients are served."""
    crowds = [f"127.0.1.{number}" for number in range(1, 5)]
    few = scene.connect(OTHER)
    assert scene.is_served(few)
    for address in crowds:
        scene.crowd(address, 115, _HALF)
    assert until(lambda: all(scene.open(address) <= ALL // len(crowds) for address in crowds))
    assert scene.is_served(few)
    assert scene.is_served(scene.connect("127.0.0.5"))


def test_a_proxy_has_no_share_of_its_own(scene: Scene) -> None:
    """A trusted proxy may have more connections than the share of one address.

    Other clients still get connections.
    """
    kept = scene.crowd(PROXY, SHARE + 50)
    assert all(map(scene.is_served, kept))
    scene.crowd(ATTACKER, SHARE, _HALF)
    assert until(lambda: scene.open(ATTACKER) == ALL - len(kept))
    assert scene.open(PROXY) == len(kept)
    assert scene.is_served(scene.connect(OTHER))
