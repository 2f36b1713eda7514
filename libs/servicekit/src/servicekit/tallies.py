"""What happened, noted where it happens and added up behind the request.

A counter of prometheus_client costs a request a lock and a write to a shared file, a histogram
several: with ten of them that is more than the rest of a `GET`. A note is one append, and knows
nothing of Prometheus, which a process loads late (ADR 20). `servicekit.metrics` takes notes out
ten times a second and adds their sums to its counters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

Labels = tuple[str, ...]
# Nobody takes notes out of a command's process; of a service's these are a second's at the least.
_MOST_NOTES = 50_000


class Tally:
    """Notes of one kind: `note((labels, amount))`, from any thread.

    `amount` is what a counter grows by, or what a histogram observes (seconds, number).
    """

    __slots__ = ("_notes", "note")

    def __init__(self) -> None:
        self._notes: deque[tuple[Labels, float]] = deque(maxlen=_MOST_NOTES)
        # The method itself: an attribute that leads to C costs half of a method that calls it.
        self.note = self._notes.append

    def taken(self) -> Iterator[tuple[Labels, float]]:
        """Takes out what is there by now."""
        take = self._notes.popleft
        try:
            for _ in range(len(self._notes)):
                yield take()
        except IndexError:
            return  # another thread took the rest


class Level:
    """How many of something there are at present in this process: `up` and `down`, any thread."""

    __slots__ = ("_ended", "begin", "end")

    def __init__(self) -> None:
        begun: deque[None] = deque()
        self.begin = begun.append
        self.end = begun.pop
        self._ended = begun

    def now(self) -> int:
        """The present number."""
        return len(self._ended)
