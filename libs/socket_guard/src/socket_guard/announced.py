"""The check of connections for which the server announces the bodies.

With HTTP/2 one connection carries many requests, and a client can make the server send bytes at any
time (PING, SETTINGS; a KeyUpdate of TLS 1.3). So sent bytes do not show that a body is complete.
The server therefore announces each body when it begins, and again when its request has ended. The
connection has to receive the minimum rate (the floor) for each of these bodies.
"""

from __future__ import annotations

from collections.abc import Mapping

from socket_guard.connections import Connection

#: The value for an unknown length of a body.
UNKNOWN = -1
#: The unfinished bodies, by the client's address and port: the length of each body by its id.
Announced = Mapping[tuple[str, int], Mapping[str, int]]
# The longest time for the response to a complete body.
_ANSWER_SECONDS = 3600.0


class AnnouncedBodies:
    """The unfinished bodies of one connection.

    Args:
        bytes_per_second: the minimum rate of each body.
        window_seconds: the time over which the rate is measured.
    """

    __slots__ = ("_began", "_due", "_incomplete", "_moments", "_rate", "_window")

    def __init__(self, bytes_per_second: int, window_seconds: float) -> None:
        self._rate, self._window = bytes_per_second, window_seconds
        # By the body's id: the time of its first check, and the bytes that the connection had
        # received before.
        self._began: dict[str, tuple[float, int]] = {}
        # Time in seconds, the bytes received until then, and the bytes that were due until then.
        self._moments: list[tuple[float, int, float]] = []
        self._incomplete, self._due = 0, 0.0

    def are_slow(
        self, connection: Connection, bodies: Mapping[str, int], before: int, now: float
    ) -> bool:
        """Note the received bytes, and tell whether they are too few.

        Args:
            connection: the connection as it is now.
            bodies: the length of each unfinished body by its id.
            before: the bytes received until the last check; 0 for a new connection.
            now: the monotonic time in seconds.
        """
        self._began = {one: self._began.get(one, (now, before)) for one in bodies}
        incomplete = self._count_incomplete(connection.received, bodies, now)
        if not incomplete:
            self._moments.clear()
        if self._moments:
            # A body that began or ended since the last check does not count for this interval.
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
            # The window is not over yet; or no bytes have arrived, and the server's own timeout
            # for pauses applies.
            return False
        return connection.received - received < self._due - due

    def _count_incomplete(self, received: int, bodies: Mapping[str, int], now: float) -> int:
        """Count the bodies that may be incomplete.

        A body may be incomplete if its length is unknown, if it waits too long for its response, or
        if bytes of it are certainly missing.
        """
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
