"""Buffers of measurements: filled on a request's way, flushed to Prometheus behind it.

A counter of prometheus_client costs a request a lock and a write to a shared file, a histogram
several: with ten of them that is more than the rest of a `GET`. Adding to a buffer is one append,
and needs nothing of Prometheus, which a process loads late (ADR 20). `servicekit.metrics` flushes
the buffers ten times a second and adds their sums to its counters.

Each buffer is declared in the module that fills it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

Labels = tuple[str, ...]
# Nobody flushes the buffers of a command's process; of a service's these are a second's at least.
_MAX_ENTRIES = 50_000


class MetricBuffer:
    """Measurements of one kind: `note((labels, amount))`, from any thread.

    `amount` is what a counter grows by, or what a histogram observes (seconds, number).
    """

    __slots__ = ("_entries", "note")

    def __init__(self) -> None:
        self._entries: deque[tuple[Labels, float]] = deque(maxlen=_MAX_ENTRIES)
        # The method itself: an attribute that leads to C costs half of a method that calls it.
        self.note = self._entries.append

    def drain(self) -> Iterator[tuple[Labels, float]]:
        """Remove and yield the entries that are in the buffer at the time of the call."""
        take = self._entries.popleft
        try:
            for _ in range(len(self._entries)):
                yield take()
        except IndexError:
            return  # another thread took the rest


class Level:
    """A number that goes up (`begin(None)`) and down (`end()`) in this process, from any thread."""

    __slots__ = ("_begun", "begin", "end")

    def __init__(self) -> None:
        begun: deque[None] = deque()
        self.begin = begun.append
        self.end = begun.pop
        self._begun = begun

    def now(self) -> int:
        """Return the present number."""
        return len(self._begun)
