"""Cuts request bodies that come below the floor, and says so."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from slow_body_floor import connections, foreign_sockets
from slow_body_floor.floor import STEPS_IN_WINDOW, BodyFloor

_NAMED_ADDRESSES = 5


class Guard:
    """Watches over a server's connections; `poll` has to be called every `seconds`.

    Args:
        servers: ids of the server's main processes, whose children have the connections. More than
            one while a new one takes over.
        port: the server's.
        bytes_per_second: the floor; 0 switches the guard off.
        window_seconds: over which a request's average is taken.
        log: takes one line for the operator.
        on_cut: called with the number of requests that were just cut.
    """

    def __init__(
        self,
        servers: Callable[[], list[int]],
        port: int,
        *,
        bytes_per_second: int,
        window_seconds: int,
        log: Callable[[str], None],
        on_cut: Callable[[int], None],
    ) -> None:
        self.seconds = window_seconds / STEPS_IN_WINDOW
        self._rate = bytes_per_second
        self._floor = BodyFloor(bytes_per_second, window_seconds)
        self._servers, self._port = servers, port
        self._log, self._on_cut = log, on_cut
        self._working = bytes_per_second > 0
        self._next = 0.0

    def check(self) -> None:
        """Says once when this machine does not allow what the guard needs; it stays off then."""
        if not self._working:
            return
        try:
            connections.established(self._port)
            processes = [*self._workers(), *self._servers()]
            os.close(foreign_sockets.duplicate(processes[0], 0))
        except OSError as error:
            self._working = False
            self._log(
                f"slow request bodies are not cut, only pauses are bounded: {error}. It takes "
                "netlink sockets and pidfd_getfd, which this machine or its sandbox refuses"
            )

    def poll(self) -> None:
        """Cuts what is too slow, when it is time to look."""
        now = time.monotonic()
        if not self._working or now < self._next or not self._servers():
            return
        self._next = now + self.seconds
        try:
            slow = self._floor.too_slow(connections.established(self._port), now)
            if slow:
                self._end(slow)
        except OSError as error:
            # Out of memory or descriptors, or the server just ended: the next look may do.
            self._log(f"looking for slow request bodies failed: {error}")

    def _workers(self) -> list[int]:
        return [pid for server in self._servers() for pid in foreign_sockets.children(server)]

    def _end(self, slow: list[connections.Connection]) -> None:
        ended = foreign_sockets.end_reading(self._workers(), (one.inode for one in slow))
        if not ended:
            return
        self._on_cut(ended)
        peers = sorted({one.peer for one in slow})
        more = f" and {len(peers) - _NAMED_ADDRESSES} more" * (len(peers) > _NAMED_ADDRESSES)
        self._log(
            f"cut {ended} requests that came with less than {self._rate} bytes per second, from "
            f"{', '.join(peers[:_NAMED_ADDRESSES])}{more}"
        )
