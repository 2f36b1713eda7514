"""The operations of the records, on a small and on a full database in turn."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import fmean, median

from loadtests.scale.case import Case
from loadtests.scale.operations import OPERATIONS, Operation


@dataclass(frozen=True)
class Cost:
    """Microseconds: of the first call in the process's life with cold pages, and of the others."""

    title: str
    small_median: float
    full_median: float
    small_mean: float
    full_mean: float
    full_first: float

    @property
    def ratio(self) -> float:
        """Full to small, of medians."""
        return self.full_median / self.small_median

    @property
    def mean_ratio(self) -> float:
        """Full to small, of means: what happens rarely, as a checkpoint, counts too."""
        return self.full_mean / self.small_mean


def measure(small: Case, full: Case, calls: int, only: str = "") -> list[Cost]:
    """Each operation `calls` times on either, call by call in turn; the first tenth is warm-up."""
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
