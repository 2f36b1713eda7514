"""The receiver's socket: inherited from whoever keeps it over restarts (ADR 28), or its own."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

_BACKLOG = 1024


def listener(address: Path) -> socket.socket:
    """A listening socket at this path that never blocks."""
    found = _inherited(str(address)) or _own(address)
    found.setblocking(False)
    return found


def _inherited(address: str) -> socket.socket | None:
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the folder's own descriptor, closed by now
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            found = socket.socket(fileno=os.dup(int(name)))
            if _listens_at(found, address):
                return found
            found.close()
    return None


def _listens_at(found: socket.socket, address: str) -> bool:
    listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    return bool(listens) and found.family == socket.AF_UNIX and found.getsockname() == address


def _own(address: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        address.unlink()
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(address))
    # Whoever reaches it can say who was admitted: the gateway alone may.
    address.chmod(0o600)
    server.listen(_BACKLOG)
    return server
