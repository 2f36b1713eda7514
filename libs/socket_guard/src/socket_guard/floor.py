"""Finds the connections on which a request comes in too slowly.

A server such as nginx bounds the pause between two reads, so a client that sends one byte before
each pause is over keeps a connection, and a spool file, for ever. This looks at all connections of
the server now and then, and finds those on which a request keeps coming, and too slowly. It knows
nothing of HTTP: since a server says nothing before it has read the request, a connection is in the
middle of a request when bytes come in and none have gone out since. Where that is not so, the
server has to tell of the bodies (`announced.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from socket_guard.announced import Announced, AnnouncedBodies
from socket_guard.connections import Connection

# A window is looked at in so many steps: it is that much longer at the most.
STEPS_IN_WINDOW = 6


class _Arrivals:
    """What came in since the peer last took something from us.

    `moments` holds (seconds, bytes received until then), the newest last, one for each look that
    found more.
    """

    __slots__ = ("moments", "received", "sent")

    def __init__(self, connection: Connection) -> None:
        self.moments: list[tuple[float, int]] = []
        self.received = connection.received
        self.sent = connection.sent


class BodyFloor:
    """Finds the requests that come in too slowly.

    Args:
        bytes_per_second: the least average over a window; 0: nothing is too slow.
        window_seconds: its length; a request gets this long before it is judged.
    """

    def __init__(self, bytes_per_second: int, window_seconds: float) -> None:
        self.bytes_per_second = bytes_per_second
        self.window_seconds = window_seconds
        self._arrivals: dict[int, _Arrivals] = {}
        self._announced: dict[int, AnnouncedBodies] = {}

    def too_slow(
        self, connections: Iterable[Connection], now: float, announced: Announced | None = None
    ) -> list[Connection]:
        """Those whose request has come in below the floor; `now` is monotonic, in seconds.

        Each is named once; if it is still there a window later, once more. `announced` are the
        bodies of which the server has told.
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
                # New, or answered meanwhile: what comes from now on is counted.
                arrivals = _Arrivals(connection)
            elif connection.received > arrivals.received and self._add(arrivals, connection, now):
                found.append(connection)
                continue
            self._arrivals[connection.cookie] = arrivals
        return found

    def _add(self, arrivals: _Arrivals, connection: Connection, now: float) -> bool:
        """Notes that more came; whether it is too little.

        Only a connection on which bytes just came is judged: one that is silent waits for its
        answer, or for its next request, or will run into the server's own bound on pauses.
        """
        arrivals.received = connection.received
        oldest = now - self.window_seconds
        moments = arrivals.moments
        # The newest moment that is a whole window ago, and those after it.
        while len(moments) > 1 and moments[1][0] <= oldest:
            del moments[0]
        moments.append((now, connection.received))
        since, received = moments[0]
        if since > oldest:
            return False
        return connection.received - received < self.bytes_per_second * (now - since)
