"""A TCP proxy of the tests that breaks connections."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_RESET = struct.pack("ii", 1, 0)
_DELIVERY_SECONDS = 5.0


class CuttingProxy:
    """A proxy that passes bytes to a port and breaks the connection after a number of bytes.

    Each entry of `cuts` is a number of bytes. The proxy counts the bytes of all clients together.
    When they exceed the number, the proxy breaks the connection that sent the first byte above the
    number. It then counts from zero for the next entry. After the last entry the proxy breaks no
    connection.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.cuts: list[int] = []
        self.broken = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                with suppress(OSError):
                    server = socket.create_connection(("127.0.0.1", self._target))
                    self._open |= {client, server}
                    for way in (
                        lambda a=client, b=server: self._pass(a, b, counted=True),
                        lambda a=client, b=server: self._pass(b, a, counted=False),
                    ):
                        threading.Thread(target=way, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, *, counted: bool) -> None:
        with suppress(OSError):
            while block := source.recv(16_384):
                allowed = self._allowed(len(block)) if counted else len(block)
                target.sendall(block[:allowed])
                if allowed < len(block):
                    self.broken += 1
                    _await_delivery(target)
                    break
        for end in (source, target):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RDWR)

    def _allowed(self, count: int) -> int:
        with self._lock:
            if not self.cuts:
                return count
            self.cuts[0] -= count
            return count + self.cuts.pop(0) if self.cuts[0] < 0 else count

    def close(self) -> None:
        """Close the proxy and all connections."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for end in self._open:
            end.close()


@contextmanager
def cutting(target: int) -> Iterator[CuttingProxy]:
    """Yield a proxy in front of a port of this machine."""
    proxy = CuttingProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()


def _await_delivery(connection: socket.socket) -> None:
    """Return when the peer's kernel has all bytes, or after five seconds. A reset would
    drop bytes that were not sent.
    """
    deadline = time.monotonic() + _DELIVERY_SECONDS
    while time.monotonic() < deadline:
        (waiting,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))
        if not waiting:
            return
        time.sleep(0.01)
