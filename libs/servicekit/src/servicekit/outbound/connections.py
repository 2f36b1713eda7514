"""Connections with one deadline for everything, and with a limit of received bytes.

Each wait on the socket is limited to the time that is left. The deadline is therefore an error in
the code that waits, wherever that is, and never an end of the data, which a parser of HTTP would
take for the end of a response. No timer and no thread is needed.
"""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Self

from servicekit.outbound.addresses import Address
from servicekit.outbound.errors import SendingFailed

_MAX_TRIED_ADDRESSES = 4
_SENT_AT_A_TIME = 65_536


class Deadline:
    """The end of the time for one request."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._begun = clock()
        self._seconds = seconds

    def left(self) -> float:
        """Return the seconds that are left; raise `TimeoutError` after the end."""
        left = self._begun + self._seconds - self._clock()
        if left <= 0:
            raise TimeoutError
        return left

    def earlier(self, seconds: float) -> Deadline:
        """Return the deadline that ends after some seconds from now, or with this one."""
        return Deadline(self._clock, min(seconds, self.left()))

    def milliseconds(self) -> int:
        """Return the time since the begin of the request."""
        return round((self._clock() - self._begun) * 1000)


class ReceivedTooMuch(Exception):
    """The peer sent more bytes than the limit."""


class Connection:
    """A connection that ends with its `with` block.

    `http.client` uses it as a socket and calls `sendall`, `makefile` and `close` only.

    Attributes:
        limit: the number of bytes that may still be received.
        ended: the peer has sent its last byte, and all bytes are received.
    """

    def __init__(self, plain: socket.socket, deadline: Deadline) -> None:
        self._socket = plain
        self._deadline = deadline
        self.limit = 0
        self.ended = False

    def __enter__(self) -> Self:
        """Return the connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the socket."""
        self.end()

    def end(self) -> None:
        """Close the socket without waiting for the peer."""
        self._socket.close()

    def encrypt(self, context: ssl.SSLContext, name: str) -> None:
        """Begin TLS with a peer that proves that it has the name."""
        self._socket.settimeout(self._deadline.left())
        self._socket = context.wrap_socket(self._socket, server_hostname=name)

    def sendall(self, content: bytes) -> None:
        """Send bytes."""
        rest = memoryview(content)
        while rest:
            self._socket.settimeout(self._deadline.left())
            rest = rest[self._socket.send(rest[:_SENT_AT_A_TIME]) :]

    def receive_into(self, buffer: memoryview) -> int:
        """Receive bytes and return their number, 0 at the end; raise `ReceivedTooMuch`."""
        if self.limit <= 0:
            raise ReceivedTooMuch
        self._socket.settimeout(self._deadline.left())
        count = self._socket.recv_into(buffer[: self.limit])
        self.limit -= count
        self.ended = self.ended or not count
        return count

    def makefile(self, *_: Any) -> io.BufferedReader:
        """Return a file that receives. Closing the file does not close the connection."""
        return io.BufferedReader(_Received(self))

    def close(self) -> None:
        """Do nothing: `http.client` closes its socket before a caller reads the body."""


class _Received(io.RawIOBase):
    """The bytes that a connection receives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.receive_into(memoryview(buffer))


def connected(
    addresses: Sequence[Address], port: int, deadline: Deadline, seconds: float
) -> Connection:
    """Return a connection to the first address that accepts one.

    Args:
        addresses: the addresses, in the order of preference.
        port: the port.
        deadline: the end of the time for the request.
        seconds: the time for all addresses together; each gets an equal share of the rest.

    Raises:
        SendingFailed: no address accepts a connection.
        TimeoutError: the deadline has passed.
    """
    connecting = deadline.earlier(seconds)
    tried = addresses[:_MAX_TRIED_ADDRESSES]
    failed = SendingFailed("connect", "the host has no address")
    for left, address in zip(range(len(tried), 0, -1), tried, strict=True):
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.settimeout(connecting.left() / left)
            plain.connect((str(address), port))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return Connection(plain, deadline)
        except TimeoutError:
            plain.close()
            failed = SendingFailed("timeout", "the host did not accept the connection in time")
        except OSError as error:
            plain.close()
            failed = SendingFailed("connect", f"the connection failed: {error.strerror or error}")
    raise failed
