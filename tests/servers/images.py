"""The maker of pictures for tests: files in memory, a gateway's socket for bytes, the process."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from tests.servers.uwsgi import Reply, request

BINARY = Path(sys.executable).parent / "wharf-images"
START_SECONDS = 30.0
LOCATION = "acme/0a/0000000000000000000000000000000a"


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@contextmanager
def memory_file(content: bytes) -> Iterator[int]:
    """A descriptor of a file with this content, as the sandbox gets it, but not sealed."""
    descriptor = os.memfd_create("test")
    try:
        os.write(descriptor, content)
        yield descriptor
    finally:
        os.close(descriptor)


@dataclass
class BlobsSocket:
    """nginx's socket for bytes.

    Attributes:
        path: where it listens.
        files: content by location; others are answered with 404.
        raw: whole answers by location, as they go over the wire.
        asked: the request lines that came.
        fields: the header fields that came with them, but for `Host`.
        goes_on: answers wait while it is not set.
    """

    path: Path
    files: dict[str, bytes] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Nothing waits, as long as a test does not want it."""
        self.goes_on.set()

    def serve(self, listener: socket.socket) -> None:
        """Answer until the listener is closed."""
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        line, host, *others = connection.recv(4096).decode().split("\r\n")
        assert host == "Host: images"
        self.asked.append(line)
        self.fields.extend(filter(None, others))
        self.goes_on.wait()
        location = line.split(" ")[1].removeprefix("/_bytes/")
        if location in self.raw:
            connection.sendall(self.raw[location])
        elif location in self.files:
            content = self.files[location]
            head = f"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: {len(content)}\r\n\r\n"
            connection.sendall(head.encode() + content)
        else:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


@contextmanager
def blobs_socket(folder: Path) -> Iterator[BlobsSocket]:
    """A socket that gives bytes, in a thread."""
    found = BlobsSocket(folder / "images-blobs.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(found.path))
        listener.listen(64)
        threading.Thread(target=found.serve, args=(listener,), daemon=True).start()
        yield found
        # A thread in accept(2) keeps the socket open.
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


@dataclass
class Service:
    """`wharf-images serve`, and the gateway's side of it."""

    process: subprocess.Popen[bytes]
    socket: Path
    blobs: BlobsSocket
    log: Path

    def ask(self, path: str, **variables: str) -> Reply:
        """Return the answer to a request of nginx."""
        return request(self.socket, "GET", path, parameters=variables)

    def picture(self, location: str = LOCATION, width: int = 64) -> Reply:
        """Return the answer to a request for a picture."""
        return self.ask("/picture", WHARF_BLOB=location, WHARF_WIDTH=str(width))

    def metric(self, name: str) -> float:
        """Return one number of the metrics."""
        lines = self.ask("/metrics").body.decode().splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))

    def stop(self) -> int:
        """Send TERM; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_SECONDS)


@contextmanager
def service(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Service]:
    """Run the service until the end of the block."""
    ready, log = folder / "ready", folder / "images.log"
    environment = {
        "PATH": os.environ["PATH"],
        "WHARF_SOCKETS": str(folder),
        "WHARF_READY_FILE": str(ready),
        **(settings or {}),
    }
    with blobs_socket(folder) as blobs, log.open("wb") as output:
        process = subprocess.Popen(
            [BINARY, "serve"], env=environment, stderr=output, stdin=subprocess.DEVNULL
        )
        try:
            until = time.monotonic() + START_SECONDS
            while not Path(f"{ready}.term").exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.01)
            yield Service(process, folder / "images.sock", blobs, log)
        finally:
            process.kill()
            process.wait()
