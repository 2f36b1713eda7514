"""Pictures in memory, and a socket that serves their bytes as the gateway does."""

from __future__ import annotations

import io
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

LOCATION = "acme/0a/0000000000000000000000000000000a"


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@contextmanager
def memory_file(content: bytes) -> Iterator[int]:
    """Yield a descriptor of a file with this content. Unlike the sandbox's files
    it is not sealed.
    """
    descriptor = os.memfd_create("test")
    try:
        os.write(descriptor, content)
        yield descriptor
    finally:
        os.close(descriptor)


@dataclass
class BlobsSocket:
    """The socket on which nginx serves bytes.

    Attributes:
        path: the path of the socket.
        files: content by location. Other locations get a 404.
        raw: complete responses by location, as sent on the connection.
        asked: the request lines so far.
        fields: the header fields of these requests, except `Host`.
        goes_on: responses wait while it is not set.
    """

    path: Path
    files: dict[str, bytes] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Let responses not wait, unless a test clears `goes_on`."""
        self.goes_on.set()

    def serve(self, listener: socket.socket) -> None:
        """Serve requests until the listener is closed."""
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
    """Yield a socket that serves bytes, in a thread."""
    found = BlobsSocket(folder / "images-blobs.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(found.path))
        listener.listen(64)
        threading.Thread(target=found.serve, args=(listener,), daemon=True).start()
        try:
            yield found
        finally:
            # A thread in accept(2) keeps the socket open.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
