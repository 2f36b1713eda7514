"""The guard: it cuts request bodies that arrive too slowly, and connections above the shares."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from socket_guard import connections, foreign_sockets
from socket_guard.announced import Announced
from socket_guard.floor import STEPS_IN_WINDOW, BodyFloor
from socket_guard.shares import Shares

_NAMED_ADDRESSES = 5
# Connections are counted at this interval, or less often if counting would need more than a
# twentieth of a processor.
_COUNT_SECONDS = 0.5
_PAUSE_PER_COUNT = 20
# An attack may last for hours; a log line is written at most once in this time.
_LINE_SECONDS = 10.0
_OFF_SECONDS = 3600.0

#: The reasons that `on_cut` gets.
SLOW, CROWD = "slow", "crowd"


class Guard:
    """A guard of a server's connections; its user has to call `poll` every `seconds`.

    Args:
        servers: returns the ids of the server's main processes: two while a new process replaces
            an old one. The children of the main processes have the connections.
        ports: the ports of the server.
        floor: finds the requests that are too slow.
        shares: finds the connections above the share of an address.
        log: takes one line for the operator.
        announced: returns the unfinished bodies that the server has announced (`announced.py`).
        on_cut: is called with `SLOW` or `CROWD`, and the number of connections that were just cut.
    """

    def __init__(
        self,
        servers: Callable[[], list[int]],
        ports: Sequence[int],
        *,
        floor: BodyFloor,
        shares: Shares,
        log: Callable[[str], None],
        on_cut: Callable[[str, int], None],
        announced: Callable[[], Announced] = dict,
    ) -> None:
        self._floor, self._shares = floor, shares
        self._servers, self._ports = servers, tuple(ports)
        self._log, self._on_cut, self._announced = log, on_cut, announced
        self._working = bool(floor.bytes_per_second or shares.least)
        self._next_floor = self._next_count = self._next_line = 0.0
        self._unsaid = 0
        self._unsaid_peers: set[str] = set()

    @property
    def seconds(self) -> float:
        """Return the longest pause between two polls, in seconds."""
        if not self._working:
            return _OFF_SECONDS
        if self._shares.least:
            return _COUNT_SECONDS
        return self._floor.window_seconds / STEPS_IN_WINDOW

    def check(self) -> None:
        """Check whether this machine permits the calls of the guard; if not, switch the guard off.

        The log then gets a line with the reason.
        """
        if not self._working:
            return
        try:
            connections.established(*self._ports)
            processes = [*self._workers(), *self._servers()]
            os.close(foreign_sockets.duplicate(processes[0], 0))
        except OSError as error:
            self._working = False
            self._log(
                "slow request bodies are not cut, only pauses have a timeout, and one address may "
                f"have all connections: {error}. The guard needs "
                "netlink sockets and pidfd_getfd, which this machine or its sandbox refuses"
            )

    def poll(self) -> None:
        """Cut slow requests and connections above the shares, if a check is due."""
        now = time.monotonic()
        if not self._working or now < min(self._next_floor, self._next_count):
            return
        if not self._servers():
            return
        try:
            if self._floor.bytes_per_second and now >= self._next_floor:
                self._next_floor = now + self._floor.window_seconds / STEPS_IN_WINDOW
                self._cut_slow(now)
            if self._shares.least and now >= self._next_count:
                begin = time.thread_time()
                crowded = self._is_crowded()
                spent = time.thread_time() - begin
                self._next_count = now + max(_COUNT_SECONDS, _PAUSE_PER_COUNT * spent)
                if crowded:
                    self._cut_crowd()
                self._say_crowd(now)
        except OSError as error:
            # Memory or descriptors are exhausted, or the server has just ended: the next check may
            # succeed.
            self._log(f"the check for connections to cut failed: {error}")

    def _workers(self) -> list[int]:
        return [pid for server in self._servers() for pid in foreign_sockets.children(server)]

    def _cut_slow(self, now: float) -> None:
        # The bodies are read before the connections. So if a body begins between the two calls, the
        # list of connections includes its connection.
        announced, found = self._announced(), connections.established(*self._ports)
        slow = self._floor.too_slow(found, now, announced)
        ended = foreign_sockets.end(self._workers(), (one.inode for one in slow)) if slow else 0
        if ended:
            self._on_cut(SLOW, ended)
            rate = self._floor.bytes_per_second
            self._log(
                f"cut {ended} requests that sent less than {rate} bytes per second, from "
                f"{_named({one.peer for one in slow})}"
            )

    def _is_crowded(self) -> bool:
        sockets = connections.all_sockets()
        if sockets is not None and sockets <= self._shares.least:
            return False
        return bool(self._shares.surplus(connections.count(*self._ports)))

    def _cut_crowd(self) -> None:
        close = self._shares.to_close(connections.established(*self._ports))
        inodes = (one.inode for one in close)
        ended = foreign_sockets.end(self._workers(), inodes, reset=True) if close else 0
        if ended:
            self._on_cut(CROWD, ended)
            self._unsaid += ended
            self._unsaid_peers.update(one.peer for one in close)

    def _say_crowd(self, now: float) -> None:
        if self._unsaid and now >= self._next_line:
            self._next_line = now + _LINE_SECONDS
            self._log(
                f"closed {self._unsaid} connections above the share of an address, from "
                f"{_named(self._unsaid_peers)}"
            )
            self._unsaid = 0
            self._unsaid_peers.clear()


def _named(peers: set[str]) -> str:
    more = f" and {len(peers) - _NAMED_ADDRESSES} more" * (len(peers) > _NAMED_ADDRESSES)
    return f"{', '.join(sorted(peers)[:_NAMED_ADDRESSES])}{more}"
