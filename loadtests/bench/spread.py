"""How far the rounds of one row lie apart, and whether two runs differ by more than that."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from statistics import median

# Rounds that differ by more than this say nothing about the code.
STEADY = 0.15


class Verdict(StrEnum):
    """What two runs say about a row."""

    SAME = "same"
    BETTER = "better"
    WORSE = "worse"
    UNSTEADY = "unsteady"
    ONE_ROUND = "one round"


def spread(values: Sequence[float]) -> float | None:
    """Return by which part the largest value exceeds the smallest; `None` for fewer than two."""
    if len(values) < 2:
        return None
    least, most = min(values), max(values)
    if least == most:
        return 0.0
    return most / least - 1 if least > 0 else float("inf")


def is_unsteady(values: Sequence[float]) -> bool:
    """Tell whether rounds differ by more than 15 %."""
    found = spread(values)
    return found is not None and found > STEADY


def change(before: Sequence[float], after: Sequence[float]) -> float:
    """Return by which part the median moved, e.g. -0.1 from 10 to 9."""
    old = median(before)
    if old == 0:
        return 0.0 if median(after) == 0 else float("inf")
    return median(after) / old - 1


def compare(
    before: Sequence[float], after: Sequence[float], *, more_is_better: bool
) -> tuple[Verdict, float | None]:
    """Return whether the median moved beyond the spread of both runs, and that spread.

    A run whose rounds differ by more than 15 %, or that has one round, judges nothing.
    """
    spreads = [spread(before), spread(after)]
    known = [found for found in spreads if found is not None]
    if len(known) < 2:
        return Verdict.ONE_ROUND, None
    widest = max(known)
    if widest > STEADY:
        return Verdict.UNSTEADY, widest
    if _apart(median(before), median(after)) <= widest:
        return Verdict.SAME, widest
    rose = median(after) > median(before)
    return (Verdict.BETTER if rose == more_is_better else Verdict.WORSE), widest


def _apart(one: float, other: float) -> float:
    # As the spread: how far the larger one is above the smaller one.
    return spread((one, other)) or 0.0
