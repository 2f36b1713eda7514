"""HTTP as bytes on a socket, for requests that no client library sends."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from typing import Any, Self

TIMEOUT_SECONDS = 30


class IncompleteError(Exception):
    """The error for a response that ends too early."""


@dataclass(frozen=True)
class RawAnswer:
    """One response, which may be an interim one (1xx)."""

    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        """Return the body, parsed as JSON."""
        return json.loads(self.body)

    @property
    def slug(self) -> str:
        """Return the kind of problem, or an empty text for a response that is no problem."""
        if self.headers["Content-Type"] != "application/problem+json":
            return ""
        assert self.json()["request_id"] == self.headers["X-Request-Id"]
        return str(self.json()["type"]).removeprefix("/problems/")


class RawConnection:
    """A connection to the gateway, for a `with` block. `source` is the client's own address."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout=TIMEOUT_SECONDS, source_address=(source, 0)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all bytes, or as many as the gateway accepts before it closes the connection."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def answers(self) -> list[RawAnswer]:
        """Return all responses until the gateway closes the connection.

        After the first final response the client shuts its side down. Otherwise the gateway would
        wait some seconds for the rest of a body that it has refused.
        """
        received, told = b"", False
        with suppress(ConnectionResetError):
            while chunk := self.socket.recv(65536):
                received += chunk
                if not told and _holds_final(received):
                    told = True
                    self.socket.shutdown(socket.SHUT_WR)
        return parse(received)

    def silent_for(self, seconds: float) -> bool:
        """Tell whether the gateway sends no byte and does not disconnect for these seconds."""
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(TIMEOUT_SECONDS)
        return False


def exchange(port: int, data: bytes) -> list[RawAnswer]:
    """Send bytes on a new connection and return all responses until the gateway closes it.

    The request must have `Connection: close` when the gateway would keep the connection.
    """
    with RawConnection(port) as connection:
        connection.send(data)
        return connection.answers()


def head(line: str, *fields: str) -> bytes:
    """Return a request line and header fields with a Host, and the empty line."""
    return "\r\n".join((line, "Host: 127.0.0.1", *fields, "", "")).encode()


def _holds_final(data: bytes) -> bool:
    """Tell whether the bytes contain a complete response that is not an interim one."""
    try:
        return any(answer.status >= 200 for answer in parse(data))
    except IncompleteError:
        return False


def parse(data: bytes) -> list[RawAnswer]:
    """Split bytes into responses. Raise `IncompleteError` when the last one is incomplete."""
    found: list[RawAnswer] = []
    while data:
        raw, end, data = data.partition(b"\r\n\r\n")
        if not end:
            raise IncompleteError
        line, _, fields = raw.partition(b"\r\n")
        assert line.startswith(b"HTTP/1."), raw
        headers = BytesParser().parsebytes(fields + b"\r\n\r\n")
        status = int(line.split()[1])
        if status < 200 or status in (204, 304):
            body = b""
        elif headers["Content-Length"] is not None:
            length = int(headers["Content-Length"])
            if len(data) < length:
                raise IncompleteError
            body, data = data[:length], data[length:]
        elif headers["Transfer-Encoding"] == "chunked":
            body, data = _dechunked(data)
        else:
            body, data = data, b""
        found.append(RawAnswer(status, headers, body))
    return found


def _dechunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, end, data = data.partition(b"\r\n")
        length = int(size or b"0", 16)
        if not end or len(data) < length + 2:
            raise IncompleteError
        body, data = body + data[:length], data[length + 2 :]
        if not length:
            return body, data


def until(condition: Any, seconds: float = 60.0, pause: float = 0.02) -> bool:
    """Wait until a condition is true and tell whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
