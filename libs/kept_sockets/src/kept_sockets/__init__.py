"""Listening sockets of a service that stay open while its container is replaced (ADR 37).

A service (`Kept`) leaves copies of its sockets with the gateway (`FdStore`). The service in
the next container takes the copies. Both send packets to `keeper-INSTANCE.sock` in the folder of
the sockets, one request for each connection:

    keep NAME DEVICE INODE   with the socket and the numbers of its file. Response: `kept`
    take NAME                Response: the socket and the numbers of its file, or `none`

Release 0.1.0 has the same protocol: two releases may meet while one replaces the other.
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
    """One listening unix socket: a kept copy if there is one, otherwise a new socket.

    Attributes:
        path: the path of the socket's file.
        listener: the socket; it does not block, and child processes inherit it.
    """

    def __init__(self, path: str) -> None:
        self.path, self._folder, self._name = path, *os.path.split(path)
        self._use(self._take() or self._bind())

    def bind_again(self) -> None:
        """Open a new socket if its file was removed, since no client can reach the old socket."""
        if not os.path.exists(self.path):
            self.listener.close()
            self._use(self._bind())

    def stop(self) -> None:
        """Stop listening: clients that connect or wait are refused immediately.

        `bind_again` listens again.
        """
        self.listener.close()
        with suppress(FileNotFoundError):
            os.unlink(self.path)

    def leave_copies(self) -> None:
        """Leave or renew a copy with every store, without waiting for responses.

        Call this at least once a second.
        """
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
                if listener:  # the file now belongs to another socket: no client reaches this one
                    listener.close()
        return None

    def _bind(self) -> socket.socket:
        with suppress(FileNotFoundError):
            os.unlink(self.path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.path)
        # A process that reaches the socket has the rights of the gateway (ADR 41).
        os.chmod(self.path, 0o600)
        listener.listen(_BACKLOG)
        return listener


class FdStore:
    """The gateway's store of copies for one folder of sockets; its background thread never ends.

    Args:
        folder: the folder of the services' sockets; only the gateway's user can enter it.
        instance: the name of this gateway, since several gateways may share a folder.
        seconds: how long a copy is kept after it was left or renewed. After this time, requests
            that wait for an ended service get 503, and later requests get 503 immediately.
    """

    def __init__(self, folder: str, instance: str, seconds: float = 90) -> None:
        self._path = f"{folder}/{_PREFIX}{instance}.sock"
        self._seconds = seconds
        # By name: the copy, the numbers of its file, and the time when the copy is closed.
        self._kept: dict[bytes, tuple[socket.socket, bytes, float]] = {}

    def start(self) -> None:
        """Start the thread and listen; raise `OSError` if the folder is not writable."""
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        server = new_socket(_POLL_SECONDS)
        server.bind(self._path)
        os.chmod(self._path, 0o600)
        server.listen()
        threading.Thread(target=self._run, args=(server,), name="fd-store", daemon=True).start()

    def _run(self, server: socket.socket) -> None:
        while True:
            # An error means that no client connected within a second, or that a client
            # disconnected before its response.
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
    """Return the inherited listening socket with this path; `None` without one.

    uWSGI finds inherited sockets itself (`UWSGI_RELOADS`); this is for services without uWSGI.
    """
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the descriptor of this directory is closed already
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                found = socket.socket(fileno=os.dup(int(name)))
                if _listens(found, path):
                    os.close(int(name))
                    return found
                found.close()
    return None


def fd_stores(folder: str) -> list[str]:
    """Return the paths of the stores' sockets in this folder; a store may have ended."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(f"{folder}/{name}" for name in names if name.startswith(_PREFIX))


def new_socket(timeout_seconds: float) -> socket.socket:
    """Return a new unix socket for packets, not connected."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.settimeout(timeout_seconds)
    return made


def receive(connection: socket.socket) -> tuple[bytes, socket.socket | None]:
    """Return a packet, and the socket that was sent with it or `None`."""
    packet, descriptors, _, _ = socket.recv_fds(connection, _LARGEST_BYTES, 1)
    return packet, socket.socket(fileno=descriptors[0]) if descriptors else None


def _listens(one: socket.socket, path: str) -> bool:
    of_unix = one.family == socket.AF_UNIX and one.getsockname() == path
    return of_unix and bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _numbers(file: str) -> bytes:
    found = os.lstat(file)
    return b"%d %d" % (found.st_dev, found.st_ino)
