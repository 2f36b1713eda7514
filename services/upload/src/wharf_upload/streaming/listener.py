"""The socket of the stream server.

The server inherits the socket from the process that keeps it over restarts (ADR 28), or creates it.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

_BACKLOG = 1024


def listener(address: Path) -> socket.socket:
    """Return a non-blocking listening socket at this path."""
    found = _inherited(str(address)) or _own(address)
    found.setblocking(False)
    return found


def _inherited(address: str) -> socket.socket | None:
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # the descriptor of the folder itself, which is closed by now
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
    # A process that can connect can claim any admission, so only the gateway may connect.
    address.chmod(0o600)
    server.listen(_BACKLOG)
    return server
