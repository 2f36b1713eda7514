"""The door through which a balancer on the same machine comes: a unix socket whose name is there
while requests are welcome.

nginx listens on `PATH.nginx` and expects the PROXY protocol there; `PATH` is a symbolic link to it.
Taking the link away sends new connections to other replicas at once, while those that have begun
are served: before a stop, and as long as the upload service behind this gateway does not answer.
A balancer needs no addresses and no health checks of its own: to connect where no link is fails
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
# How often in a row the service may fail to answer. One silence may be a replacement or a load.
_PATIENCE = 2
# Connections that were made and not yet accepted: nginx would drop them when it stops to listen.
_ACCEPT_SECONDS = 0.5
# The kernel connects, not nginx: it takes no time, or fails as it would for the balancer.
_CONNECT_SECONDS = 1.0
SUFFIX = ".nginx"


def template_values(path: str = "", tls: str = "") -> dict[str, str]:
    """What nginx's templates say of the door at this path; nothing where there is none.

    Args:
        path: of the door.
        tls: the words of `listen` by which it speaks TLS as the public port does.
    """
    names = ("WHARF_FRONT_DOOR", "WHARF_FRONT_DOOR_DEFAULT", "WHARF_FRONT_DOOR_TRUST")
    if not path:
        return dict.fromkeys(names, "")
    listen = f"listen unix:{path}{SUFFIX}{tls} proxy_protocol"
    # Whoever may connect to the socket is believed: the folder is this user's alone.
    trust = "set_real_ip_from unix:; real_ip_header proxy_protocol;"
    return dict(zip(names, (f"{listen};", f"{listen} default_server;", trust), strict=True))


def answers(port: int, path: str = "/healthz") -> bool:
    """Whether the service behind the gateway on this port answers, with anything but a 5xx.

    Liveness is asked for, not readiness: a database that is down is so for all replicas, and
    signed links are served without it.
    """
    status, _ = readiness.get("127.0.0.1", port, path)
    return 0 < status < 500


class FrontDoor:
    """Opens and shuts the door of one gateway.

    Args:
        path: of the link; its folder has the links of the other replicas, too.
        alive: asks the service behind the gateway, and waits for the answer.
    """

    def __init__(self, path: str, alive: Callable[[], bool]) -> None:
        self._path, self._alive = path, alive
        self._failures = 0
        self._stopping = threading.Event()
        # The watcher must not open again what a stop has shut.
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="front-door", daemon=True)

    def sweep(self) -> None:
        """Removes what a killed gateway left; before nginx starts, which would not listen."""
        for path in (self._path, f"{self._path}{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def start(self) -> None:
        """Watches from now on."""
        self._thread.start()

    def poll(self) -> None:
        """Opens or shuts after one question to the service."""
        alive = self._alive()
        self._failures = 0 if alive else self._failures + 1
        with self._lock:
            if self._stopping.is_set():
                return
            if alive and not self.is_open:
                self._open()
                log("the balancer may come: upload answers")
            elif self._failures >= _PATIENCE and self.is_open and self._give_way():
                log("the balancer is sent to other replicas: upload does not answer")

    def close(self) -> None:
        """Shuts for good, and waits until nginx has accepted what came before."""
        with self._lock:
            self._stopping.set()
            was_open = self.is_open
            self._shut()
        if was_open:
            time.sleep(_ACCEPT_SECONDS)

    @property
    def is_open(self) -> bool:
        """Whether the link is there."""
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
        """Shuts if another replica can take over; whether it did.

        A refusal by this one says more than no connection. Gateways that fall silent together
        would each take the other for open: one at a time looks and shuts.
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
    """Whether this is the only gateway that decides now; another one is not waited for."""
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
    """Whether a balancer would get a connection; a killed gateway leaves its link behind."""
    if not os.path.islink(path):
        return False
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_CONNECT_SECONDS)
            connection.connect(path)
    except OSError:
        return False
    return True
