"""The service's side: takes the sockets that are kept for it, and leaves copies of its own."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

from kept_sockets import packets

_BACKLOG = 1024
_TIMEOUT_SECONDS = 5.0


class Kept:
    """One listening unix socket: the one that is kept for us, or else a new one.

    Attributes:
        path: where it is found.
        listener: never blocks, and is inherited.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._use(self._take() or self._bind())

    def bind_again(self) -> None:
        """Listen anew where somebody has removed the file: nobody could reach this socket."""
        if not self.path.exists():
            self.listener.close()
            self._use(self._bind())

    def _use(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        listener.set_inheritable(True)
        self.listener, self._file = listener, _numbers(self.path)

    def _take(self) -> socket.socket | None:
        for store in fd_stores(self.path.parent):
            with suppress(OSError), packets.new_socket(_TIMEOUT_SECONDS) as connection:
                connection.connect(str(store))
                file = _numbers(self.path)
                connection.send(b"take " + self.path.name.encode())
                numbers, listener = packets.receive(connection)
                if listener and numbers == file:
                    return listener
                if listener:  # the file is another socket's by now: nobody can reach this one
                    listener.close()
        return None

    def _bind(self) -> socket.socket:
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        # Whoever reaches it speaks as the gateway does (ADR 41).
        self.path.chmod(0o600)
        listener.listen(_BACKLOG)
        return listener

    def leave_copies(self) -> None:
        """Leave or renew a copy with every store; call it each second. It waits for no answer."""
        for store in fd_stores(self.path.parent):
            with suppress(OSError), packets.new_socket(0) as connection:
                connection.connect(str(store))
                if _numbers(self.path) == self._file:
                    packet = b"keep %s %s" % (self.path.name.encode(), self._file)
                    socket.send_fds(connection, [packet], [self.listener.fileno()])


def fd_stores(folder: Path) -> list[Path]:
    """Return where the stores of this folder listen, or have listened."""
    return sorted(folder.glob(packets.STORE_NAME.format("*")))


def answers(store: Path) -> bool:
    """Return whether a store is there: its gateway has not ended."""
    with packets.new_socket(_TIMEOUT_SECONDS) as connection:
        return connection.connect_ex(str(store)) == 0


def _numbers(file: Path) -> bytes:
    found = file.lstat()
    return b"%d %d" % (found.st_dev, found.st_ino)
