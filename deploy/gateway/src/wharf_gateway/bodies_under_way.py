"""Reads nginx's log of bodies that arrive over TLS: a line when a body begins, one at its end.

nginx writes these lines only for TLS (snippets/tls.conf). Over TLS, one connection can carry
several bodies, and a client can make nginx send bytes in the middle of a body. Then the byte counts
of the connection do not show which body is slow.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import NamedTuple

from socket_guard.announced import UNKNOWN, Announced

# A larger log file is replaced by a new one.
_LARGEST_BYTES = 8 << 20


class _Body(NamedTuple):
    worker: str
    peer: str
    port: int
    length: int


class BodiesUnderWay:
    """The reader of nginx's lines about bodies.

    Args:
        path: the file that nginx writes.
        reopen: makes nginx open the file again.
    """

    def __init__(self, path: str, reopen: Callable[[], None]) -> None:
        self._path, self._old, self._reopen = path, f"{path}.old", reopen
        self._position, self._begun = 0, b""
        self._found: dict[str, _Body] = {}

    def read(self) -> Announced:
        """Return the bodies under way, as far as nginx has logged them."""
        if os.path.exists(self._old):
            # Since the last call nginx had enough time to open the new file.
            self._take(self._old)
            os.unlink(self._old)
            self._position = 0
        self._take(self._path)
        if self._position > _LARGEST_BYTES:
            os.rename(self._path, self._old)
            self._reopen()
        # A killed worker logs no end of its bodies.
        workers = {one.worker for one in self._found.values()}
        gone = {worker for worker in workers if not os.path.exists(f"/proc/{worker}")}
        found: dict[tuple[str, int], dict[str, int]] = {}
        for name, body in list(self._found.items()):
            if body.worker in gone:
                del self._found[name]
            else:
                found.setdefault((body.peer, body.port), {})[name] = body.length
        return found

    def _take(self, path: str) -> None:
        try:
            with open(path, "rb") as file:
                file.seek(self._position)
                data = file.read()
        except FileNotFoundError:
            return
        self._position += len(data)
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            what, _, rest = line.decode("ascii", "replace").partition("\t")
            if what == "end":
                self._found.pop(rest, None)
            elif what == "begin":
                name, worker, peer, port, length = (*rest.split("\t"), *[""] * 5)[:5]
                # A connection from a balancer on the same machine has no port and is not judged.
                if port.isdigit():
                    size = int(length) if length.isdigit() else UNKNOWN
                    self._found[name] = _Body(worker, _address(peer), int(port), size)


def _address(text: str) -> str:
    """Return an address that nginx wrote, in the notation of `socket_guard.connections`."""
    if text.startswith("::ffff:") and "." in text:
        return text.removeprefix("::ffff:")
    if ":" in text:
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text))
    return text
