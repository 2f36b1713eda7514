"""The search for connections on which a request arrives too slowly.

A server such as nginx has a timeout for the pause between two reads. A client that sends one byte
before each timeout can keep a connection, and a spool file, forever. `BodyFloor` periodically
checks all connections of the server, and finds those on which a request arrives too slowly.
`BodyFloor` does not parse HTTP. A server sends nothing before it has read the request. So a
connection is in the middle of a request if bytes arrive and none were sent since. For protocols
where a server may send bytes earlier, the server has to announce its bodies (`announced.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from socket_guard.announced import Announced, AnnouncedBodies
from socket_guard.connections import Connection

# A window has this number of checks, so it is longer by at most this part of it.
STEPS_IN_WINDOW = 6


class _Arrivals:
    """The bytes received since the peer last acknowledged sent bytes.

    `moments` are pairs (seconds, bytes received until then), the newest last. Each check that finds
    more bytes adds one pair.
    """

    __slots__ = ("moments", "received", "sent")

    def __init__(self, connection: Connection) -> None:
        self.moments: list[tuple[float, int]] = []
        self.received = connection.received
        self.sent = connection.sent


class BodyFloor:
    """A detector of requests that arrive too slowly.

    Args:
        bytes_per_second: the minimum average rate over a window; 0 switches the check off.
        window_seconds: the length of the window; a younger request is not checked.
    """

    def __init__(self, bytes_per_second: int, window_seconds: float) -> None:
        self.bytes_per_second = bytes_per_second
        self.window_seconds = window_seconds
        self._arrivals: dict[int, _Arrivals] = {}
        self._announced: dict[int, AnnouncedBodies] = {}

    def too_slow(
        self, connections: Iterable[Connection], now: float, announced: Announced | None = None
    ) -> list[Connection]:
        """Return the connections with a request that arrives more slowly than the minimum rate.

        A connection is returned once, and again if it still exists a window later. `now` is the
        monotonic time in seconds. `announced` are the bodies that the server has announced.
        """
        before, self._arrivals = self._arrivals, {}
        known, self._announced = self._announced, {}
        found = []
        for connection in connections:
            arrivals = before.get(connection.cookie)
            bodies = announced.get((connection.peer, connection.port)) if announced else None
            if bodies:
                judged = known.get(connection.cookie) or AnnouncedBodies(
                    self.bytes_per_second, self.window_seconds
                )
                received = 0 if arrivals is None else arrivals.received
                if judged.are_slow(connection, bodies, received, now):
                    found.append(connection)
                    continue
                self._announced[connection.cookie] = judged
            if arrivals is None or arrivals.sent != connection.sent:
                # The connection is new, or the server has sent bytes: counting begins again.
                arrivals = _Arrivals(connection)
            elif connection.received > arrivals.received and self._add(arrivals, connection, now):
                found.append(connection)
                continue
            self._arrivals[connection.cookie] = arrivals
        return found

    def _add(self, arrivals: _Arrivals, connection: Connection, now: float) -> bool:
        """Note that more bytes were received, and tell whether they are too few.

        Call this only for a connection that has just received bytes. A silent connection waits for
        its response or its next request, or the server's own timeout for pauses will end it.
        """
        arrivals.received = connection.received
        oldest = now - self.window_seconds
        moments = arrivals.moments
        # Keep the newest moment that is at least a window ago, and the moments after it.
        while len(moments) > 1 and moments[1][0] <= oldest:
            del moments[0]
        moments.append((now, connection.received))
        since, received = moments[0]
        if since > oldest:
            return False
        return connection.received - received < self.bytes_per_second * (now - since)
