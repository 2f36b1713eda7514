"""From notes (`servicekit.tallies`) to counters: many notes, one write for each series."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from servicekit.tallies import Labels, Level, Tally

_lock = threading.Lock()
_settlers: list[Callable[[], None]] = []


class Times(Histogram):
    """A histogram that takes many observations in one go."""

    def add(self, counts: Iterable[tuple[int, int]], total: float) -> None:
        """Adds numbers of observations by the index of their bucket, `total` being their sum."""
        self._sum.inc(total)
        for index, count in counts:
            self._buckets[index].inc(count)

    @property
    def bounds(self) -> list[float]:
        """The upper bounds of the buckets; the last one is infinite."""
        return self._upper_bounds


def settle() -> None:
    """Adds to the counters what was noted in this process since it was last asked to."""
    with _lock:
        for settler in _settlers:
            settler()


def settle_each_second(stop: threading.Event) -> None:
    """For a process that may have no requests behind which it would be done."""
    while not stop.wait(1.0):
        settle()


def settles(settler: Callable[[], None]) -> None:
    """Has `settle` call this."""
    _settlers.append(settler)


def count(tally: Tally, counter: Counter) -> None:
    """Adds the amounts of a tally to a counter with the same labels."""

    def settler() -> None:
        sums: dict[Labels, float] = defaultdict(float)
        for labels, amount in tally.taken():
            sums[labels] += amount
        for labels, amount in sums.items():
            _child(counter, labels).inc(amount)

    settles(settler)


def add_up(tally: Tally, number: Counter, amount: Counter) -> None:
    """Counts the notes of a tally in one counter and their amounts in another."""

    def settler() -> None:
        sums: dict[Labels, list[float]] = defaultdict(lambda: [0, 0])
        for labels, noted in tally.taken():
            both = sums[labels]
            both[0] += 1
            both[1] += noted
        for labels, both in sums.items():
            _child(number, labels).inc(both[0])
            _child(amount, labels).inc(both[1])

    settles(settler)


def observe(tally: Tally, times: Times, counter: Counter | None = None, *, labels: int) -> None:
    """Has the histogram observe the amounts of a tally; `counter` counts them.

    The histogram takes the first so many `labels` of a note, the counter all of them.
    """

    def settler() -> None:
        counts: dict[Labels, int] = defaultdict(int)
        found: dict[Labels, tuple[dict[int, int], list[float]]] = {}
        bounds = times.bounds
        for noted, amount in tally.taken():
            counts[noted] += 1
            key = noted[:labels]
            series = found.get(key)
            if series is None:
                series = found[key] = (defaultdict(int), [])
            series[0][bisect_left(bounds, amount)] += 1
            series[1].append(amount)
        for key, (buckets, amounts) in found.items():
            _child(times, key).add(buckets.items(), sum(amounts))
        if counter is not None:
            for noted, number in counts.items():
                _child(counter, noted).inc(number)

    settles(settler)


def watch(level: Level, gauge: Gauge) -> None:
    """Sets the gauge to the level each time."""
    known: int | None = None

    def settler() -> None:
        nonlocal known
        now = level.now()
        if now != known:
            known = now
            gauge.set(now)

    settles(settler)


def _child(metric: Any, labels: Labels) -> Any:
    return metric.labels(*labels) if labels else metric
