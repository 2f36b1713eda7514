"""A TCP server that does on each connection what a test says, however wrong as HTTP."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import repeat

from tests.servers.certificates import Certificate

#: Respond on a connection whose request was received. Afterwards the server closes the connection.
Behaviour = Callable[[socket.socket], None]

_RESET = struct.pack("ii", 1, 0)
_TIMEOUT_SECONDS = 60
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class RawReceiver:
    """The server. `requests` has the bytes of each request, `connections` counts accepted ones."""

    def __init__(
        self,
        behaviour: Behaviour,
        tls: ssl.SSLContext | None,
        address: tuple[str, int],
        *,
        reads: bool,
    ) -> None:
        self._behaviour, self._tls, self._reads = behaviour, tls, reads
        self._listening = socket.create_server(address, backlog=128)
        self.port: int = self._listening.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._listening.accept()
                self.connections += 1
                accepted.settimeout(_TIMEOUT_SECONDS)
                self._open.add(accepted)
                thread = threading.Thread(target=self._serve, args=(accepted,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, accepted: socket.socket) -> None:
        with suppress(OSError), accepted:
            connection = accepted
            if self._tls is not None:
                connection = self._tls.wrap_socket(accepted, server_side=True)
                self._open.add(connection)
            with connection:
                if self._reads:
                    self.requests.append(request_of(connection))
                self._behaviour(connection)

    def join(self) -> None:
        """Wait until all accepted connections are closed."""
        for thread in self._threads[1:]:
            thread.join(_TIMEOUT_SECONDS)
            assert not thread.is_alive()

    def close(self) -> None:
        """Close the server and its connections, and wait for its threads."""
        for one in (self._listening, *tuple(self._open)):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._threads[0].join(_TIMEOUT_SECONDS)
        self.join()


@contextmanager
def raw_receiver(
    behaviour: Behaviour,
    tls: Certificate | ssl.SSLContext | None = None,
    *,
    address: str = "127.0.0.1",
    port: int = 0,
    reads: bool = True,
) -> Iterator[RawReceiver]:
    """Yield a server on a free port.

    Args:
        behaviour: what the server does on each connection.
        tls: the certificate of the server, or all its choices for TLS.
        address: the address at which it listens; an empty text is all addresses of IPv4.
        port: the port, or 0 for a free port.
        reads: receive the request before the behaviour starts.
    """
    server = RawReceiver(behaviour, context_of(tls), (address, port), reads=reads)
    try:
        yield server
    finally:
        server.close()


def context_of(tls: Certificate | ssl.SSLContext | None) -> ssl.SSLContext | None:
    """Return the choices for TLS of a server with this certificate."""
    if not isinstance(tls, Certificate):
        return tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.chain, tls.key)
    return context


def request_of(connection: socket.socket) -> bytes:
    """Return the next request of a connection, with its body."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += _more(connection)
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
    while length and len(body) < int(length[1]):
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    received = connection.recv(65_536)
    if not received:
        raise ConnectionAbortedError
    return received


def sends(*parts: bytes) -> Behaviour:
    """Return the behaviour that sends some bytes."""
    return lambda connection: connection.sendall(b"".join(parts))


def hangs_after(*parts: bytes) -> Behaviour:
    """Return the behaviour that sends some bytes, and then waits until the client disconnects."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(b"".join(parts))
        while connection.recv(65_536):
            pass

    return behave


def drips(begin: bytes, drop: bytes, seconds: float) -> Behaviour:
    """Return the behaviour that sends the begin, and then the same bytes again and again."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(begin)
        pause = threading.Event()
        for part in repeat(drop):
            connection.sendall(part)
            pause.wait(seconds)

    return behave


def resets_after(*parts: bytes) -> Behaviour:
    """Return the behaviour that sends some bytes and then resets the connection."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(b"".join(parts))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    return behave


def tunnels_to(port: int, *parts: bytes) -> Behaviour:
    """Return the behaviour that sends some bytes, and then passes all bytes to a port and back."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(b"".join(parts))
        with socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS) as onward:
            back = threading.Thread(target=_pass, args=(onward, connection), daemon=True)
            back.start()
            _pass(connection, onward)
            back.join(_TIMEOUT_SECONDS)

    return behave


def _pass(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while received := source.recv(65_536):
            target.sendall(received)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
