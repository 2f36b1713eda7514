"""A persistent HTTP connection with very little CPU time, so that only the server is measured."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import Self

_MAX_HEAD_BYTES = 65536


class UnexpectedAnswer(Exception):
    """The server responded with another status than the measured request expects."""


@dataclass(frozen=True)
class Request:
    """A request and the expected status of its response."""

    method: str
    target: str
    token: str
    status: int
    body: bytes = b""

    def encoded(self) -> bytes:
        """Return the request as bytes."""
        length = f"Content-Length: {len(self.body)}\r\n" if self.method == "PUT" else ""
        return (
            f"{self.method} {self.target} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {self.token}\r\n{length}\r\n"
        ).encode() + self.body


class HttpConnection:
    """A connection that sends one request after another."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = self._connected()

    def _connected(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def microseconds(self, request: Request) -> float:
        """Send a request; return the microseconds until the whole response has arrived."""
        sent = request.encoded()
        start = time.perf_counter_ns()
        self._socket.sendall(sent)
        status, closes = self._answer()
        taken = (time.perf_counter_ns() - start) / 1000
        if status != request.status:
            raise UnexpectedAnswer(f"{request.method} {request.target}: {status}")
        if closes:
            self._socket.close()
            self._socket = self._connected()
        return taken

    def _answer(self) -> tuple[int, bool]:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
            assert len(received) < _MAX_HEAD_BYTES
        head, _, body = received.partition(b"\r\n\r\n")
        status = int(head[9:12])
        fields = head.lower().split(b"\r\n")[1:]
        values = {name: value.strip() for name, _, value in (f.partition(b":") for f in fields)}
        closes = values.get(b"connection") == b"close"
        if status in {204, 304}:
            return status, closes
        missing = int(values[b"content-length"]) - len(body)
        while missing > 0:
            missing -= len(self._more())
        return status, closes

    def _more(self) -> bytes:
        found = self._socket.recv(65536)
        if not found:
            raise ConnectionError("the server closed the connection")
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
