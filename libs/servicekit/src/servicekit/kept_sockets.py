"""A service's listening sockets, which outlive its container: copies lie with the gateway (ADR 28).

The gateway's first process has the other side (`wharf_gateway/fd_store.py`), with the protocol.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_BACKLOG = 1024
_PACKET_BYTES = 256
_TIMEOUT_SECONDS = 5.0


class Kept:
    """One listening unix socket: the one that is kept for us, or else a new one.

    Attributes:
        path: where it is found.
        listener: never blocks, and is inherited.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        found = next((one for one in map(self._take, fd_stores(path.parent)) if one), None)
        self.listener = found or self._bind()
        self.listener.setblocking(False)
        self.listener.set_inheritable(True)

    @property
    def _numbers(self) -> bytes:
        """Of the file: who has others holds a socket that nobody reaches any more."""
        found = self.path.lstat()
        return f"{found.st_dev} {found.st_ino}".encode()

    def _take(self, store: Path) -> socket.socket | None:
        with suppress(OSError), _connected(store) as connection:
            numbers = self._numbers
            connection.send(b"take " + self.path.name.encode())
            answer, descriptors, _, _ = socket.recv_fds(connection, _PACKET_BYTES, 1)
            if not descriptors:
                return None
            found = socket.socket(fileno=descriptors[0])
            if answer == numbers:
                return found
            found.close()
        return None

    def _bind(self) -> socket.socket:
        with suppress(FileNotFoundError):
            self.path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        # Whoever reaches it can run code.
        self.path.chmod(0o600)
        listener.listen(_BACKLOG)
        return listener

    def leave_with(self, connection: socket.socket) -> None:
        """Leave a copy with a descriptor store; raises OSError."""
        packet = b"keep " + self.path.name.encode() + b" " + self._numbers
        socket.send_fds(connection, [packet], [self.listener.fileno()])
        if connection.recv(_PACKET_BYTES) != b"kept":
            raise OSError("the descriptor store does not take it")


class FdStoreClient:
    """Leaves copies with every descriptor store there is, and with one that comes later."""

    def __init__(self, sockets: list[Kept]) -> None:
        self._sockets = sockets
        self._connections: dict[Path, socket.socket] = {}

    def poll(self) -> None:
        """Leave copies with new stores; call it regularly, and before the service ends."""
        for store, connection in list(self._connections.items()):
            if not _is_open(connection):
                connection.close()
                del self._connections[store]
        for store in {store for one in self._sockets for store in fd_stores(one.path.parent)}:
            if store not in self._connections:
                with suppress(OSError):
                    self._leave(store)

    def close(self) -> None:
        """End the connections; the stores keep the copies."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _leave(self, store: Path) -> None:
        with _connected(store, closing=False) as connection:
            for one in self._sockets:
                if one.path.parent == store.parent:
                    one.leave_with(connection)
            self._connections[store] = connection


def fd_stores(folder: Path) -> list[Path]:
    """Return where the descriptor stores of this folder listen, or have listened."""
    return sorted(folder.glob("keeper-*.sock"))


def answers(store: Path) -> bool:
    """Return whether a descriptor store is there: its gateway has not ended."""
    with suppress(OSError), _connected(store):
        return True
    return False


@contextmanager
def _connected(store: Path, *, closing: bool = True) -> Iterator[socket.socket]:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(_TIMEOUT_SECONDS)
    try:
        connection.connect(str(store))
        yield connection
    except BaseException:
        connection.close()
        raise
    if closing:
        connection.close()


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(_PACKET_BYTES) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
