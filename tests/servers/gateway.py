"""The gateway of a container, as a process on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.servers.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
_START = "import sys; from wharf_gateway import cli; cli.Gateway.__init__.__defaults__ = "
HEAD = (
    b"POST /auth/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n"
    b"Expect: 100-continue\r\n\r\n"
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Running:
    """One gateway without services. A response with 502 or 503 shows that the gateway runs."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port, self.metrics_port = free_ports()
        self.folder, self.output_file = folder, folder / f"output-{self.port}"
        for name in ("upload", "auth"):
            (folder / name).mkdir(exist_ok=True)
        environment = {
            "WHARF_DATA": f"{folder}/data",
            "WHARF_GATEWAY_RUN": f"{folder}/run-{self.port}",
            "WHARF_SOCKETS": f"{folder}/upload",
            "WHARF_AUTH_SOCKET": f"{folder}/auth/auth.sock",
            "WHARF_PORT": str(self.port),
            "WHARF_METRICS_PORT": str(self.metrics_port),
            "WHARF_INSTANCE": "one",
            **settings,
        }
        start = f"{_START}({str(ROOT)!r},); sys.argv[1:] = ['serve']; cli.main()"
        with self.output_file.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", start],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    def answers(self) -> bool:
        try:
            with self.connect() as connection:
                connection.sendall(b"GET /v1/usage HTTP/1.0\r\nHost: localhost\r\n\r\n")
                return connection.recv(12).startswith(b"HTTP/1.1 50")
        except OSError:
            return False

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def begin(self) -> socket.socket:
        """Send the head and half of the body of a request, and return the connection."""
        connection = self.connect()
        connection.sendall(HEAD)
        # nginx waits for the body, so the request is in flight.
        assert connection.recv(len(CONTINUE), socket.MSG_WAITALL) == CONTINUE
        connection.sendall(b"12345")
        return connection

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)
