"""Metric buffers: a request appends measurements, which are added to Prometheus' counters later.

A counter of prometheus_client costs a request one lock and one write to a shared file, and a
histogram costs several. Ten counters would cost more than the rest of a `GET`. A measurement in a
buffer costs one append, and a buffer does not need prometheus_client, which a process imports late
(ADR 20). A flush adds the sums of the buffers to the counters of `servicekit.metrics`: in upload at
most ten times a second, in auth and console after each response.

The module that fills a buffer declares it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

Labels = tuple[str, ...]
# In the process of a command nothing flushes the buffers, so they need a limit. In a service this
# number is enough for at least a second.
_MAX_ENTRIES = 50_000


class MetricBuffer:
    """A buffer for measurements of one kind; any thread may call `note((labels, amount))`.

    `amount` is the increment of a counter, or the observed value of a histogram.
    """

    __slots__ = ("_entries", "note")

    def __init__(self) -> None:
        self._entries: deque[tuple[Labels, float]] = deque(maxlen=_MAX_ENTRIES)
        # Calling the C function, which is stored as an attribute, costs half the time of a method
        # that calls the function.
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
    """A number of this process that any thread can raise (`begin(None)`) and lower (`end()`)."""

    __slots__ = ("_begun", "begin", "end")

    def __init__(self) -> None:
        begun: deque[None] = deque()
        self.begin = begun.append
        self.end = begun.pop
        self._begun = begun

    def now(self) -> int:
        """Return the current number."""
        return len(self._begun)
