"""A connection from the gateway: one request, and the file for its body."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from servicekit import uwsgi_protocol
from wharf_upload.http.long_work import LongWork
from wharf_upload.http.request import Response


@dataclass(eq=False)
class Stream:
    """The destination of a request's body, and the functions that the loop calls for it.

    The loop writes at most `length` bytes to `descriptor`, from `offset` on. When `check_at` bytes
    have arrived, the loop calls `check` once in another thread; an error of `check` ends the
    stream. Without `check_at` the loop never calls `check`. When no more bytes will arrive, the
    loop calls `finish` in another thread with an error of the disk or of `check`, or with `None`.
    `whole` tells whether the body is complete. The loop itself calls `tell` several times a second
    with the number of bytes so far.
    """

    descriptor: int
    offset: int
    length: int
    finish: Callable[[Stream, Exception | None], Response]
    check: Callable[[], None] | None = None
    check_at: int | None = None
    tell: Callable[[int], None] | None = None
    received: int = 0
    # The time of the next call of `tell`, by the monotonic clock.
    tell_at: float = math.inf
    # True if a newer request has replaced this one: the bytes in the buffers of nginx and the
    # kernel are still written, then the stream ends.
    cancelled: bool = False
    # `finish` runs in the turn of this tenant. `takes_long` tells whether `finish` takes long for a
    # whole body.
    tenant: str = ""
    takes_long: bool = False

    @property
    def whole(self) -> bool:
        """Return whether the whole body has arrived."""
        return self.received == self.length


class Handler(Protocol):
    """A function that handles a request in a thread other than the loop's; it raises no errors."""

    def __call__(self, environ: dict[str, Any]) -> Response | Stream | LongWork:
        """Return a response, work for the tenant's turn, or the destination of the body."""


@dataclass(eq=False)
class Connection:
    """The loop's state of a connection; only the loop's thread changes it."""

    socket: socket.socket
    deadline: float
    packet: bytearray = field(default_factory=bytearray)
    wanted: int = uwsgi_protocol.HEADER_BYTES
    stream: Stream | None = None
    checking: bool = False
    error: Exception | None = None
    draining: bool = False
    finishing: bool = False
    # The rest of the response that is not sent yet.
    answer: bytes | memoryview = b""
    # True if the socket contains no more bytes of the body.
    all_read: bool = False
    # True if the client's connection must end without a response.
    hang_up: bool = False
    # The time at which a cancelled stream ends if no more bytes arrive.
    quiet_at: float = 0.0

    @property
    def has_deadline(self) -> bool:
        """Return whether the connection is closed at its deadline."""
        return self.draining or bool(self.answer) or len(self.packet) < self.wanted

    def read_request(self) -> dict[str, Any] | None:
        """Return the variables of the request, or `None` while a part of them is missing.

        Raises `ConnectionError` when the connection has ended, and `MalformedPacket`.
        """
        try:
            block = self.socket.recv(self.wanted - len(self.packet))
        except BlockingIOError:
            return None
        except OSError as error:
            raise ConnectionResetError from error
        if not block:
            raise ConnectionResetError
        self.packet += block
        if len(self.packet) < self.wanted:
            return None
        if self.wanted == uwsgi_protocol.HEADER_BYTES:
            self.wanted += uwsgi_protocol.size_of(bytes(self.packet))
            return None
        return uwsgi_protocol.environ_of(bytes(self.packet[uwsgi_protocol.HEADER_BYTES :]))

    def send(self) -> bool:
        """Send more of the response; tell whether all of it is sent. Raises `ConnectionError`."""
        try:
            while self.answer:
                self.answer = self.answer[self.socket.send(self.answer) :]
        except BlockingIOError:
            return False
        except OSError as error:
            raise ConnectionResetError from error
        return True

    def skip_body(self) -> None:
        """Read and discard bytes of a body; raises `ConnectionError` at its end."""
        try:
            block = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            raise ConnectionResetError from error
        if not block:
            raise ConnectionResetError
