"""A connection to the service with one request, by uwsgi or by HTTP on the internal port."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from servicekit.uwsgi_protocol import (
    HEADER_BYTES,
    MalformedPacket,
    environ_of,
    response_of,
    size_of,
)
from wharf_images.maker import Answer

_HEAD_BYTES = 16 * 1024
# nginx reads the response immediately. The service closes the connection of a slower client.
_WRITE_SECONDS = 5.0
_NEEDED = ("REQUEST_METHOD", "PATH_INFO")


@dataclass(eq=False)
class Connection:
    """A connection and the bytes of its request that have arrived so far.

    Attributes:
        is_http: the connection is on the internal port.
        deadline: when the server closes the connection if the request is still incomplete, in
            seconds of `time.monotonic()`.
    """

    socket: socket.socket
    is_http: bool
    deadline: float
    _received: bytearray = field(default_factory=bytearray)

    def read(self) -> Mapping[str, str] | None:
        """Return the variables of the request, or `None` while the request is incomplete.

        Raises:
            MalformedPacket: the bytes are not a request.
            ConnectionError: the client has disconnected.
        """
        try:
            part = self.socket.recv(_HEAD_BYTES)
        except BlockingIOError:
            return None
        if not part:
            raise ConnectionResetError
        self._received += part
        return self._http() if self.is_http else self._uwsgi()

    def answer(self, answer: Answer) -> None:
        """Send the response and close the connection; ignore a client that has disconnected."""
        fields = (*answer.headers, ("Connection", "close"))
        with self.socket, suppress(OSError):
            self.socket.settimeout(_WRITE_SECONDS)
            self.socket.sendall(response_of(answer.status, fields, answer.body))

    def has_gone(self) -> bool:
        """Tell whether the client has disconnected."""
        try:
            return self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _uwsgi(self) -> Mapping[str, str] | None:
        if len(self._received) < HEADER_BYTES:
            return None
        end = HEADER_BYTES + size_of(bytes(self._received[:HEADER_BYTES]))
        if len(self._received) < end:
            return None
        return environ_of(bytes(self._received[HEADER_BYTES:end]), _NEEDED)

    def _http(self) -> Mapping[str, str] | None:
        if b"\r\n\r\n" not in self._received:
            if len(self._received) > _HEAD_BYTES:
                raise MalformedPacket("the head of the request is too long")
            return None
        words = self._received.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3:
            raise MalformedPacket("the first line is not an HTTP request")
        path, _, query = words[1].partition("?")
        return {"REQUEST_METHOD": words[0], "PATH_INFO": path, "QUERY_STRING": query}
