"""A connection of the gateway's: one request, and the file that its body goes to."""

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
    """Where the body of a request goes.

    `descriptor` is written from `offset` on; at most `length` bytes are taken. `check` is called
    once, in another thread, when `check_at` bytes are there (None: never); what it raises ends the
    stream. `finish` is called in another thread when no more bytes will come: with an error of the
    disk or of `check`, or none. Whether the client is still there is told by `whole`. `tell` is
    called in the loop, several times a second, with how many bytes there are.
    """

    descriptor: int
    offset: int
    length: int
    finish: Callable[[Stream, Exception | None], Response]
    check: Callable[[], None] | None = None
    check_at: int | None = None
    tell: Callable[[int], None] | None = None
    received: int = 0
    # When `tell` is called next, by the monotonic clock.
    tell_at: float = math.inf
    # A newer request has taken its place: what is on its way is still taken, then it ends.
    cancelled: bool = False
    # Whose turn it takes, and whether `finish` takes long when all has come.
    tenant: str = ""
    takes_long: bool = False

    @property
    def whole(self) -> bool:
        """Whether all of the body has come."""
        return self.received == self.length


class Handler(Protocol):
    """What a request means; called in a thread, never raises."""

    def __call__(self, environ: dict[str, Any]) -> Response | Stream | LongWork:
        """An answer at once or in the tenant's turn, or where the body goes."""


@dataclass(eq=False)
class Connection:
    """What the loop knows of a connection; only the loop's thread changes it."""

    socket: socket.socket
    deadline: float
    packet: bytearray = field(default_factory=bytearray)
    wanted: int = uwsgi_protocol.HEADER_BYTES
    stream: Stream | None = None
    checking: bool = False
    error: Exception | None = None
    draining: bool = False
    finishing: bool = False
    # The rest of the answer, which the gateway has not taken yet.
    answer: bytes | memoryview = b""
    # Nothing of the body is left in the socket.
    all_read: bool = False
    # Instead of the answer: the client's connection ends.
    hang_up: bool = False
    # When a cancelled stream has been silent for long enough.
    quiet_at: float = 0.0

    @property
    def has_deadline(self) -> bool:
        """Whether the connection is closed at its deadline."""
        return self.draining or bool(self.answer) or len(self.packet) < self.wanted

    def read_request(self) -> dict[str, Any] | None:
        """Return the variables of the request, or None while a part of them is missing.

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
        """Send more of the answer; tell whether all of it is sent. Raises `ConnectionError`."""
        try:
            while self.answer:
                self.answer = self.answer[self.socket.send(self.answer) :]
        except BlockingIOError:
            return False
        except OSError as error:
            raise ConnectionResetError from error
        return True

    def skip_body(self) -> None:
        """Throw away what has come of a body; raises `ConnectionError` at its end."""
        try:
            block = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            raise ConnectionResetError from error
        if not block:
            raise ConnectionResetError
