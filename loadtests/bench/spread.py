"""The spread of the rounds of a row, and the comparison of two runs with their spreads."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from statistics import median

# If the rounds of a run differ by more than this part, the run does not show whether the code
# changed the number.
STEADY = 0.15


class Verdict(StrEnum):
    """The result of the comparison of a row in two runs."""

    SAME = "same"
    BETTER = "better"
    WORSE = "worse"
    UNSTEADY = "unsteady"
    ONE_ROUND = "one round"


def spread(values: Sequence[float]) -> float | None:
    """Return by which part the largest value exceeds the smallest.

    Return `None` for fewer than two values.
    """
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
    """Return the change of the median as a part, e.g. -0.1 from 10 to 9."""
    old = median(before)
    if old == 0:
        return 0.0 if median(after) == 0 else float("inf")
    return median(after) / old - 1


def compare(
    before: Sequence[float], after: Sequence[float], *, more_is_better: bool
) -> tuple[Verdict, float | None]:
    """Return the verdict on the two medians, and the larger of the two spreads that it rests on.

    The medians must differ by more than that spread. A run with one round, or with rounds that
    differ by more than 15 %, does not show whether they do.
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
    # The part by which the larger median exceeds the smaller one, computed like the spread.
    return spread((one, other)) or 0.0
