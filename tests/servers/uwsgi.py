"""A real uWSGI, and a small client of its protocol."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest

# The path of a unix socket, or host and port.
Address = Path | tuple[str, int]
START_SECONDS = 30
# In the folder of the Python that runs the tests: the same virtual environment.
BINARY = Path(sys.executable).parent / "uwsgi"


@dataclass(frozen=True)
class Reply:
    """An HTTP response as it was received from the socket."""

    status: int
    headers: Message
    body: bytes


def connect(address: Address) -> socket.socket:
    """Return a connection to a uWSGI socket."""
    connection = socket.socket(socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET)
    connection.settimeout(30)
    connection.connect(str(address) if isinstance(address, Path) else address)
    return connection


def packet(variables: Iterable[tuple[str, str]], modifier: int = 0, detail: int = 0) -> bytes:
    """Return a packet of the uwsgi protocol. `detail` is its modifier2."""
    packed = b"".join(
        struct.pack("<H", len(part)) + part
        for pair in variables
        for part in (pair[0].encode(), pair[1].encode())
    )
    return struct.pack("<BHB", modifier, len(packed), detail) + packed


def raw_answer(address: Address, sent: bytes) -> bytes:
    """Send these bytes and return all bytes that uWSGI sends before it closes the connection."""
    received = b""
    with connect(address) as connection, suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(sent)
        while block := connection.recv(65536):
            received += block
    return received


def head(method: str, target: str, parameters: Mapping[str, str], length: int) -> dict[str, str]:
    """Return the variables of a request, as nginx sends them."""
    path, _, query = target.partition("?")
    return {
        "REQUEST_METHOD": method,
        "REQUEST_URI": target,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(length) if length else "",
        "CONTENT_TYPE": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "wharf.test",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "192.0.2.1",
        **parameters,
    }


def send_head(
    connection: socket.socket, method: str, target: str, parameters: Mapping[str, str], length: int
) -> None:
    """Send a request without its body, as nginx does."""
    connection.sendall(packet(head(method, target, parameters, length).items()))


def read_reply(connection: socket.socket) -> Reply:
    """Read until uWSGI closes the connection, and return the response."""
    raw = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = raw.partition(b"\r\n\r\n")
    line, _, fields = head.partition(b"\r\n")
    return Reply(int(line.split()[1]), BytesParser().parsebytes(fields + b"\r\n\r\n"), body)


def request(
    address: Address,
    method: str,
    target: str,
    body: bytes = b"",
    parameters: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request and return its response."""
    with connect(address) as connection:
        send_head(connection, method, target, parameters or {}, len(body))
        # Do not send an empty body: uWSGI may have responded and closed the connection.
        if body:
            connection.sendall(body)
        return read_reply(connection)


class Uwsgi:
    """One uWSGI with its log."""

    def __init__(self, arguments: list[str], environ: Mapping[str, str], directory: Path) -> None:
        self.socket = directory / "uwsgi.sock"
        self._has_socket = any("{socket}" in text for text in (*arguments, *environ.values()))
        self._log = directory / "uwsgi.log"

        def filled(text: str) -> str:
            return text.replace("{socket}", str(self.socket)).replace("{folder}", str(directory))

        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(BINARY), *map(filled, arguments)],
                env={**os.environ, **{name: filled(text) for name, text in environ.items()}},
                stdout=log,
                stderr=log,
                # Workers that survive their master must not survive the test.
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """Return all log lines so far."""
        return self._log.read_text(errors="replace")

    def wait_until_ready(self, marker: str = "WSGI app 0") -> None:
        """Wait until the log contains `marker` and the socket exists. Fail after the timeout."""
        deadline = time.monotonic() + START_SECONDS
        while marker not in self.log or (self._has_socket and not self.socket.exists()):
            if time.monotonic() > deadline or self.process.poll() is not None:
                pytest.fail(f"uWSGI does not start:\n{self.log}")
            time.sleep(0.05)

    def processes(self) -> list[int]:
        """Return the ids of the master and its children."""
        master = self.process.pid
        children = Path(f"/proc/{master}/task/{master}/children").read_text()
        return [master, *(int(pid) for pid in children.split())]

    def own_memory_kb(self) -> int:
        """Return the memory of the processes in KB, without mapped files.

        The share of a mapped file that counts for a process depends on the other processes that map
        it.
        """
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.processes()]
        lines = [line for rollup in rollups for line in rollup.splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))

    def wait(self, seconds: float = START_SECONDS) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(seconds)

    def terminate(self) -> None:
        """Ask uWSGI to end, as a process manager does."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill all remaining processes, also the workers of a master that has ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running(arguments: list[str], environ: Mapping[str, str]) -> Iterator[Uwsgi]:
    """Yield uWSGI with `{socket}` and `{folder}` filled in, and kill it afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="wharf-uwsgi-"))
    server = Uwsgi(arguments, environ, directory)
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(directory, ignore_errors=True)
