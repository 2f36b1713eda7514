"""Judges connections of whose bodies the server tells.

With HTTP/2 many requests come on one connection, and a client can make the server say something at
any time (PING, SETTINGS; a KeyUpdate of TLS 1.3): that bytes went out says nothing of a body there.
So the server announces each body when it begins and when its request has ended, and the connection
has to bring the floor for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from socket_guard.connections import Connection

#: Length of a body that nobody has said.
UNKNOWN = -1
#: The bodies under way on connections by the client's address and port: id and length of each.
Announced = Mapping[tuple[str, int], Mapping[str, int]]
# So long the answer to a complete body may take.
_ANSWER_SECONDS = 3600.0


class AnnouncedBodies:
    """The bodies that are under way on one connection.

    Args:
        bytes_per_second: the floor for each of them.
        window_seconds: the time over which it is taken.
    """

    __slots__ = ("_began", "_due", "_incomplete", "_moments", "_rate", "_window")

    def __init__(self, bytes_per_second: int, window_seconds: float) -> None:
        self._rate, self._window = bytes_per_second, window_seconds
        # When a body was seen first, and what had come on the connection by then.
        self._began: dict[str, tuple[float, int]] = {}
        # Seconds, what had come by then, and what had been due.
        self._moments: list[tuple[float, int, float]] = []
        self._incomplete, self._due = 0, 0.0

    def are_slow(
        self, connection: Connection, bodies: Mapping[str, int], before: int, now: float
    ) -> bool:
        """Note what has come; tell whether it is too little.

        Args:
            connection: as it is now.
            bodies: id and length of those that are under way.
            before: what had come at the look before; 0 of a new connection.
            now: monotonic, in seconds.
        """
        self._began = {one: self._began.get(one, (now, before)) for one in bodies}
        incomplete = self._count_incomplete(connection.received, bodies, now)
        if not incomplete:
            self._moments.clear()
        if self._moments:
            # A body that began or ended meanwhile is not due for the whole time.
            seconds = now - self._moments[-1][0]
            self._due += self._rate * min(incomplete, self._incomplete) * seconds
        self._incomplete = incomplete
        if not incomplete:
            return False
        self._moments.append((now, connection.received, self._due))
        while len(self._moments) > 1 and self._moments[1][0] <= now - self._window:
            del self._moments[0]
        since, received, due = self._moments[0]
        if since > now - self._window or connection.received == before:
            # Too early; or the server bounds the pause.
            return False
        return connection.received - received < self._due - due

    def _count_incomplete(self, received: int, bodies: Mapping[str, int], now: float) -> int:
        """Count those of which bytes are missing for sure, or an answer for too long."""
        late, lengths = 0, []
        for one, length in bodies.items():
            patience = _ANSWER_SECONDS + length / self._rate
            if length == UNKNOWN or now - self._began[one][0] > patience:
                late += 1
            else:
                lengths.append(length)
        left = received - min((before for _, before in self._began.values()), default=0)
        complete = 0
        for length in sorted(lengths):
            left -= length
            complete += left >= 0
        return late + len(lengths) - complete
