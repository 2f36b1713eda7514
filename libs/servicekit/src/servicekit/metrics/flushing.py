"""The flush of metric buffers to Prometheus: many entries become one write for each series."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from servicekit.metric_buffers import Labels, Level, MetricBuffer

_lock = threading.Lock()
_flushers: list[Callable[[], None]] = []


class BatchHistogram(Histogram):
    """A histogram that takes many observations in one call."""

    def add(self, counts: Iterable[tuple[int, int]], total: float) -> None:
        """Add observations: pairs of a bucket's index and a count; `total` is the sum of values."""
        self._sum.inc(total)
        for index, count in counts:
            self._buckets[index].inc(count)

    @property
    def bounds(self) -> list[float]:
        """Return the upper bounds of the buckets; the last bound is infinite."""
        return self._upper_bounds


def flush() -> None:
    """Add the entries that this process has buffered since the last call to the counters."""
    with _lock:
        for flusher in _flushers:
            flusher()


def flush_each_second(stop: threading.Event) -> None:
    """Flush each second until `stop` is set, in a process without requests that would flush."""
    while not stop.wait(1.0):
        flush()


def on_flush(flusher: Callable[[], None]) -> None:
    """Register a function that `flush` calls."""
    _flushers.append(flusher)


def count_buffer(buffer: MetricBuffer, counter: Counter, *more: str) -> None:
    """Add the amounts of a buffer to a counter at each flush.

    The counter's labels are the labels of an entry, followed by the labels `more`, which are the
    same for all entries.
    """

    def flusher() -> None:
        sums: dict[Labels, float] = defaultdict(float)
        for labels, amount in buffer.drain():
            sums[labels] += amount
        for labels, amount in sums.items():
            _child(counter, (*labels, *more)).inc(amount)

    on_flush(flusher)


def sum_buffer(buffer: MetricBuffer, number: Counter, amount: Counter) -> None:
    """Add the number of a buffer's entries to one counter, and their amounts to another."""

    def flusher() -> None:
        sums: dict[Labels, list[float]] = defaultdict(lambda: [0, 0])
        for labels, one in buffer.drain():
            both = sums[labels]
            both[0] += 1
            both[1] += one
        for labels, both in sums.items():
            _child(number, labels).inc(both[0])
            _child(amount, labels).inc(both[1])

    on_flush(flusher)


def observe_buffer(
    buffer: MetricBuffer, histogram: BatchHistogram, counter: Counter | None = None, *, labels: int
) -> None:
    """Add the amounts of a buffer to a histogram at each flush, and their number to `counter`.

    The histogram uses the first `labels` labels of an entry, and the counter all of them.
    """

    def flusher() -> None:
        counts: dict[Labels, int] = defaultdict(int)
        found: dict[Labels, tuple[dict[int, int], list[float]]] = {}
        bounds = histogram.bounds
        for every, amount in buffer.drain():
            counts[every] += 1
            key = every[:labels]
            series = found.get(key)
            if series is None:
                series = found[key] = (defaultdict(int), [])
            series[0][bisect_left(bounds, amount)] += 1
            series[1].append(amount)
        for key, (buckets, amounts) in found.items():
            _child(histogram, key).add(buckets.items(), sum(amounts))
        if counter is not None:
            for every, number in counts.items():
                _child(counter, every).inc(number)

    on_flush(flusher)


def watch(level: Level, gauge: Gauge) -> None:
    """Set the gauge to the level at each flush."""
    known: int | None = None

    def flusher() -> None:
        nonlocal known
        now = level.now()
        if now != known:
            known = now
            gauge.set(now)

    on_flush(flusher)


def _child(metric: Any, labels: Labels) -> Any:
    return metric.labels(*labels) if labels else metric
