"""nginx with Wharf's own configuration, in front of services that a test starts."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from tests.servers.ports import free_ports
from wharf_gateway.container import Gateway

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """A response as the client gets it."""

    status: int
    headers: Message
    body: bytes


@dataclass(frozen=True)
class RunningGateway:
    """One nginx, started as in the gateway's image."""

    gateway: Gateway
    sockets: Path
    output: Path

    @property
    def port(self) -> int:
        """Return the port of the gateway."""
        return self.gateway.settings.port

    def ask(self, target: str, method: str = "GET", **fields: str) -> Answer:
        """Send one request on a separate connection. `_` in names of fields becomes `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS)
        try:
            headers = {name.replace("_", "-"): value for name, value in fields.items()}
            connection.request(method, target, headers=headers)
            reply = connection.getresponse()
            return Answer(reply.status, reply.headers, reply.read())
        finally:
            connection.close()


@contextmanager
def running(folder: Path, data: Path, settings: Mapping[str, str]) -> Iterator[RunningGateway]:
    """Yield a gateway on free ports. Services listen in its folder of sockets."""
    sockets, output = folder / "sockets", folder / "output"
    sockets.mkdir(exist_ok=True)
    port, metrics_port = free_ports()
    environ = {
        "PATH": os.environ["PATH"],
        "WHARF_DATA": str(data),
        "WHARF_INSTANCE": "one",
        "WHARF_GATEWAY_RUN": str(folder / "nginx"),
        "WHARF_SOCKETS": str(sockets),
        "WHARF_NGINX_WORKERS": "2",
        "WHARF_PORT": str(port),
        "WHARF_METRICS_PORT": str(metrics_port),
        **settings,
    }
    gateway = Gateway(environ, root=str(ROOT))
    gateway.prepare()
    with output.open("w") as stream:
        nginx = subprocess.Popen(
            [*gateway.command, "-g", "daemon off;"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    try:
        _await(port, nginx, output)
        yield RunningGateway(gateway, sockets, output)
    finally:
        nginx.terminate()
        nginx.wait(_SECONDS)


def _await(port: int, nginx: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        assert nginx.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.01)
