"""Keeps a service's listening sockets open while its container is replaced (ADR 37).

A service (`Kept`) leaves copies with the gateway (`FdStore`), and its successor takes them. Packets
go to `keeper-INSTANCE.sock` in the folder of the sockets, one request for each connection:

    keep NAME DEVICE INODE   with the socket; the numbers are of its file. Answered with `kept`
    take NAME                answered with the socket and its numbers, or with `none`

0.1.0 speaks the same: two releases meet while one replaces the other.
"""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from contextlib import suppress

_PREFIX = "keeper-"
_BACKLOG = 1024
_TIMEOUT_SECONDS, _POLL_SECONDS = 5.0, 1.0
_LARGEST_BYTES = 256


class Kept:
    """One listening unix socket: the one that is kept for us, or else a new one.

    Attributes:
        path: where it is found.
        listener: never blocks, and is inherited.
    """

    def __init__(self, path: str) -> None:
        self.path, self._folder, self._name = path, *os.path.split(path)
        self._use(self._take() or self._bind())

    def bind_again(self) -> None:
        """Listen anew where somebody has removed the file: nobody could reach this socket."""
        if not os.path.exists(self.path):
            self.listener.close()
            self._use(self._bind())

    def stop(self) -> None:
        """Listen no more: whoever connects, or waits, is refused at once; see `bind_again`."""
        self.listener.close()
        with suppress(FileNotFoundError):
            os.unlink(self.path)

    def leave_copies(self) -> None:
        """Leave or renew a copy with every store; call it each second. It waits for no answer."""
        for store in fd_stores(self._folder):
            with suppress(OSError), new_socket(0) as connection:
                connection.connect(store)
                if _numbers(self.path) == self._file:
                    packet = b"keep %s %s" % (self._name.encode(), self._file)
                    socket.send_fds(connection, [packet], [self.listener.fileno()])

    def _use(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        listener.set_inheritable(True)
        self.listener, self._file = listener, _numbers(self.path)

    def _take(self) -> socket.socket | None:
        for store in fd_stores(self._folder):
            with suppress(OSError), new_socket(_TIMEOUT_SECONDS) as connection:
                connection.connect(store)
                file = _numbers(self.path)
                connection.send(b"take " + self._name.encode())
                numbers, listener = receive(connection)
                if listener and numbers == file:
                    return listener
                if listener:  # the file is another socket's by now: nobody can reach this one
                    listener.close()
        return None

    def _bind(self) -> socket.socket:
        with suppress(FileNotFoundError):
            os.unlink(self.path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.path)
        # Whoever reaches it speaks as the gateway does (ADR 41).
        os.chmod(self.path, 0o600)
        listener.listen(_BACKLOG)
        return listener


class FdStore:
    """The gateway's side: keeps copies for one folder of sockets, in a thread that never ends.

    Args:
        folder: has the services' sockets; only our user can enter it.
        instance: tells the stores of several gateways apart, which may share a folder.
        seconds: how long a copy is kept after it was left or renewed. Then what waits for a service
            that is gone is answered with 503, and what comes later at once.
    """

    def __init__(self, folder: str, instance: str, seconds: float = 90) -> None:
        self._path = f"{folder}/{_PREFIX}{instance}.sock"
        self._seconds = seconds
        # By name: the copy, the numbers of its file, and when it is closed.
        self._kept: dict[bytes, tuple[socket.socket, bytes, float]] = {}

    def start(self) -> None:
        """Listen from now on; raises OSError when the folder cannot be written to."""
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        server = new_socket(_POLL_SECONDS)
        server.bind(self._path)
        os.chmod(self._path, 0o600)
        server.listen()
        threading.Thread(target=self._run, args=(server,), name="fd-store", daemon=True).start()

    def _run(self, server: socket.socket) -> None:
        while True:
            # An error: no client came within a second, or it has left without its answer.
            with suppress(OSError):
                client, _ = server.accept()
                with client:
                    client.settimeout(_POLL_SECONDS)
                    self._answer(client)
            now = time.monotonic()
            for name in [name for name, (_, _, until) in self._kept.items() if now > until]:
                self._kept.pop(name)[0].close()

    def _answer(self, client: socket.socket) -> None:
        packet, listener = receive(client)
        verb, _, rest = packet.partition(b" ")
        name, _, numbers = rest.partition(b" ")
        if listener is not None:
            if name in self._kept:
                self._kept.pop(name)[0].close()
            self._kept[name] = listener, numbers, time.monotonic() + self._seconds
            client.send(b"kept")
        elif verb == b"take" and name in self._kept:
            listener, numbers, _ = self._kept[name]
            socket.send_fds(client, [numbers], [listener.fileno()])
        else:
            client.send(b"none")


def inherited(path: str) -> socket.socket | None:
    """Return the listening socket of this path that our parent has left us; `None` without one.

    uWSGI looks for its sockets so (`UWSGI_RELOADS`); this is for services that are not uWSGI.
    """
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the descriptor of this very list is gone by now
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                found = socket.socket(fileno=os.dup(int(name)))
                if _listens(found, path):
                    os.close(int(name))
                    return found
                found.close()
    return None


def fd_stores(folder: str) -> list[str]:
    """Return where the stores of this folder listen, or have listened."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(f"{folder}/{name}" for name in names if name.startswith(_PREFIX))


def new_socket(timeout_seconds: float) -> socket.socket:
    """Return a socket for packets, which is not connected."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.settimeout(timeout_seconds)
    return made


def receive(connection: socket.socket) -> tuple[bytes, socket.socket | None]:
    """Return a packet and the socket that came with it."""
    packet, descriptors, _, _ = socket.recv_fds(connection, _LARGEST_BYTES, 1)
    return packet, socket.socket(fileno=descriptors[0]) if descriptors else None


def _listens(one: socket.socket, path: str) -> bool:
    of_unix = one.family == socket.AF_UNIX and one.getsockname() == path
    return of_unix and bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _numbers(file: str) -> bytes:
    found = os.lstat(file)
    return b"%d %d" % (found.st_dev, found.st_ino)
