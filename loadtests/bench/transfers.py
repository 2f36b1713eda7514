"""Large transfers over HTTP with little CPU time of the client: sendfile, and one buffer."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPMessage, HTTPResponse
from pathlib import Path

_TIMEOUT_SECONDS = 600
_BUFFER_BYTES = 1 << 20
_BOUNDARY = "wharf-bench-boundary"


def form_edges(name: str) -> tuple[str, bytes, str]:
    """Return the bytes before and after the content of a form's only file, and the form's type."""
    before = (
        f"--{_BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    after = f"\r\n--{_BOUNDARY}--\r\n".encode()
    return before, after, f"multipart/form-data; boundary={_BOUNDARY}"


class TransferFailed(Exception):
    """A server sent an unexpected response; the message describes it."""


class Client:
    """One connection to a server on this machine."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self._connection = HTTPConnection("127.0.0.1", port)
        self._connection.connect()
        limit = struct.pack("@ll", _TIMEOUT_SECONDS, 0)
        # The kernel's timeouts. Python's own timeouts make the socket non-blocking.
        self._socket: socket.socket = self._connection.sock
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, limit)

    @property
    def local_port(self) -> int:
        """Return the client's port."""
        port: int = self._socket.getsockname()[1]
        return port

    def put(self, path: str, file: Path) -> None:
        """Upload a file by PUT."""
        self._upload("PUT", path, file, b"", b"", "image/jpeg")

    def post(self, path: str, file: Path, name: str) -> None:
        """Upload a file in a form."""
        before, after, content_type = form_edges(name)
        self._upload("POST", path, file, before.encode(), after, content_type)

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[HTTPMessage, bytes]:
        """Send a small request; return header fields and body of the response."""
        self._begin(method, path, {"Content-Length": str(len(body)), **headers})
        if body:
            self._socket.sendall(body)
        reply = self._connection.getresponse()
        content = reply.read()
        _check(reply, method, path, content)
        return reply.headers, content

    def patch(self, path: str, file: Path, begin: int, length: int) -> None:
        """Send a part of a file to a tus upload."""
        fields = {
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": str(begin),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(length),
        }
        self._begin("PATCH", path, fields)
        with file.open("rb") as content:
            self._send(content.fileno(), begin, begin + length)
        reply = self._connection.getresponse()
        _check(reply, "PATCH", path, reply.read())

    def get(self, path: str) -> int:
        """Download a file without storing it; return the number of bytes."""
        self._begin("GET", path, {})
        reply = self._connection.getresponse()
        buffer, received = bytearray(_BUFFER_BYTES), 0
        while count := reply.readinto(buffer):
            received += count
        _check(reply, "GET", path, b"")
        return received

    def _begin(self, method: str, path: str, more: Mapping[str, str]) -> None:
        self._connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (*self._headers.items(), *more.items()):
            self._connection.putheader(name, value)
        self._connection.endheaders()

    def _upload(
        self, method: str, path: str, file: Path, before: bytes, after: bytes, content_type: str
    ) -> None:
        size = file.stat().st_size
        length = len(before) + size + len(after)
        fields = {"Content-Type": content_type, "Content-Length": str(length)}
        self._begin(method, path, fields)
        self._socket.sendall(before)
        with file.open("rb") as content:
            self._send(content.fileno(), 0, size)
        self._socket.sendall(after)
        reply = self._connection.getresponse()
        _check(reply, method, path, reply.read())

    def _send(self, descriptor: int, offset: int, end: int) -> None:
        while offset < end:
            offset += os.sendfile(self._socket.fileno(), descriptor, offset, end - offset)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _check(reply: HTTPResponse, method: str, path: str, body: bytes) -> None:
    # Flask's tutorial redirects the browser to the file.
    if not 200 <= reply.status < 400:
        shown = body[:300].decode(errors="replace")
        raise TransferFailed(f"{method} {path} was answered with {reply.status}: {shown}")


def put_files(clients: list[Client], paths: list[list[str]], file: Path) -> float:
    """Upload a file under many paths, one inner list for each connection; return the seconds."""

    def send(client: Client, own: list[str]) -> None:
        try:
            for path in own:
                client.put(path, file)
        finally:
            client.close()

    begin = time.perf_counter()
    with ThreadPoolExecutor(len(paths)) as pool:
        for done in list(map(pool.submit, [send] * len(paths), clients, paths)):
            done.result()
    return time.perf_counter() - begin
