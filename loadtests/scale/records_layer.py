"""The operations of the records, run alternately on a small and on a full database."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import fmean, median

from loadtests.scale.case import Case
from loadtests.scale.operations import OPERATIONS, Operation


@dataclass(frozen=True)
class Cost:
    """Costs of an operation in microseconds; `full_first` is the first call, with cold pages."""

    title: str
    small_median: float
    full_median: float
    small_mean: float
    full_mean: float
    full_first: float

    @property
    def ratio(self) -> float:
        """Return the ratio of the medians, full to small."""
        return self.full_median / self.small_median

    @property
    def mean_ratio(self) -> float:
        """Return the ratio of the means, full to small. Rare work such as a checkpoint counts."""
        return self.full_mean / self.small_mean


def measure(small: Case, full: Case, calls: int, only: str = "") -> list[Cost]:
    """Measure each operation `calls` times, alternately on the small and the full database.

    An operation for which no client waits has a fifth of the calls, but at least ten. A tenth as
    many calls come first and are not counted.
    """
    return [
        _measure(operation, small, full, calls if operation.hot else max(10, calls // 5))
        for operation in OPERATIONS
        if only in operation.title
    ]


def _measure(operation: Operation, small: Case, full: Case, calls: int) -> Cost:
    times: dict[str, list[float]] = {"small": [], "full": []}
    for _ in range(calls + calls // 10):
        for name, case in (("small", small), ("full", full)):
            times[name].append(_timed(operation, case))
    first = times["full"][0]
    few, many = times["small"][calls // 10 :], times["full"][calls // 10 :]
    return Cost(operation.title, median(few), median(many), fmean(few), fmean(many), first)


def _timed(operation: Operation, case: Case) -> float:
    run = operation.prepare(case)
    start = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - start) / 1000
