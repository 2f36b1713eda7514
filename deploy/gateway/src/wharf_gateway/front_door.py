"""The front door, a unix socket for a balancer on the same machine.

nginx listens on the socket `PATH.nginx` and expects the PROXY protocol there; `PATH` is a symbolic
link to this socket. The link exists while the gateway accepts requests. The gateway removes the
link before a stop, and when its upload service does not respond and another replica can take over.
Then the balancer immediately uses other replicas for new connections, and open connections stay. A
balancer needs no addresses and no health checks, because a connection to a missing link fails
immediately.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

from wharf_gateway import readiness
from wharf_gateway.terminal import log

_POLL_SECONDS = 1.0
# After this many failed checks in a row the door closes. A single failure may be a restart of the
# service or high load.
_PATIENCE = 2
# Time for nginx to accept connections in the queue of its socket, which it would otherwise drop.
_ACCEPT_SECONDS = 0.5
# The kernel, not nginx, accepts the connection. So the check succeeds or fails as fast as a
# balancer's attempt to connect.
_CONNECT_SECONDS = 1.0
SUFFIX = ".nginx"


def template_values(path: str = "", tls: str = "") -> dict[str, str]:
    """Return the values for the front door in nginx's templates; empty without a path.

    Args:
        path: the path of the door.
        tls: the parameters of `listen` with which the door speaks TLS like the public port.
    """
    names = ("WHARF_FRONT_DOOR", "WHARF_FRONT_DOOR_DEFAULT", "WHARF_FRONT_DOOR_TRUST")
    if not path:
        return dict.fromkeys(names, "")
    listen = f"listen unix:{path}{SUFFIX}{tls} proxy_protocol"
    # nginx trusts every program that can connect to the socket: only this user owns the folder.
    trust = "set_real_ip_from unix:; real_ip_header proxy_protocol;"
    return dict(zip(names, (f"{listen};", f"{listen} default_server;", trust), strict=True))


def answers(port: int, path: str = "/healthz") -> bool:
    """Tell whether the service behind the gateway on this port responds with a status below 500.

    The function checks liveness, not readiness: a database that is down is down for all replicas,
    and the service still serves signed links.
    """
    status, _ = readiness.get("127.0.0.1", port, path)
    return 0 < status < 500


class FrontDoor:
    """The front door of one gateway, which a background thread opens and closes.

    Args:
        path: the path of the link; the links of the other replicas are in the same folder.
        alive: sends a request to the service behind the gateway; returns whether it responds.
    """

    def __init__(self, path: str, alive: Callable[[], bool]) -> None:
        self._path, self._alive = path, alive
        self._failures = 0
        self._stopping = threading.Event()
        # With the lock, the watching thread does not open the door again after `close`.
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="front-door", daemon=True)

    def sweep(self) -> None:
        """Remove the link and socket of a killed gateway; nginx cannot listen on an old socket."""
        for path in (self._path, f"{self._path}{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def start(self) -> None:
        """Start the background thread."""
        self._thread.start()

    def poll(self) -> None:
        """Check the service once, and open or close the door."""
        alive = self._alive()
        self._failures = 0 if alive else self._failures + 1
        with self._lock:
            if self._stopping.is_set():
                return
            if alive and not self.is_open:
                self._open()
                log("the front door is open: the upload service responds")
            elif self._failures >= _PATIENCE and self.is_open and self._give_way():
                log("the front door is closed: the upload service does not respond")

    def close(self) -> None:
        """Close the door permanently.

        If the door was open, wait half a second, in which nginx accepts the earlier connections.
        """
        with self._lock:
            self._stopping.set()
            was_open = self.is_open
            self._shut()
        if was_open:
            time.sleep(_ACCEPT_SECONDS)

    @property
    def is_open(self) -> bool:
        """Tell whether the link exists."""
        return os.path.islink(self._path)

    def _watch(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            self.poll()

    def _open(self) -> None:
        new = f"{self._path}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        os.symlink(os.path.basename(self._path) + SUFFIX, new)
        os.replace(new, self._path)

    def _shut(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def _give_way(self) -> bool:
        """Close the door if another replica can take over; tell whether it was closed.

        Without another replica the door stays open: a client gets an error response, not a failed
        connection. A lock lets only one gateway decide at a time. Otherwise, if the services of two
        gateways failed together, each gateway would find the other door open, and both would close.
        """
        with _alone_in(os.path.dirname(self._path)) as alone:
            if not (alone and self._others_open()):
                return False
            self._shut()
            return True

    def _others_open(self) -> bool:
        folder, own = os.path.split(self._path)
        return any(
            name != own and name.endswith(".sock") and _is_open(f"{folder}/{name}")
            for name in os.listdir(folder)
        )


@contextlib.contextmanager
def _alone_in(folder: str) -> Iterator[bool]:
    """Yield whether this gateway got the lock on the folder; do not wait for the lock."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _taken(lock)
    finally:
        os.close(lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_open(path: str) -> bool:
    """Tell whether a balancer can connect; the link of a killed gateway may still exist."""
    if not os.path.islink(path):
        return False
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_CONNECT_SECONDS)
            connection.connect(path)
    except OSError:
        return False
    return True
