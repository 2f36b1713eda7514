"""Whether a run was good: one line for each threshold that was missed, with its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtests.load.stages import Thresholds


@dataclass(frozen=True)
class Kind:
    """What was measured of one kind of request; `quick` ones are judged by their time."""

    name: str
    requests: int
    failures: int
    p99_milliseconds: float
    quick: bool


def missed(
    thresholds: Thresholds,
    kinds: Sequence[Kind],
    seconds: float,
    *,
    expected: Iterable[str] = (),
    faults: Sequence[str] = (),
) -> list[str]:
    """What was missed; `faults` are wrong or lost bytes, of which none is allowed."""
    lines = [f"wrong content: {fault}" for fault in faults]
    there = {kind.name for kind in kinds if kind.requests > kind.failures}
    lines += [f"never done: no {name} succeeded" for name in expected if name not in there]
    requests = sum(kind.requests for kind in kinds)
    failures = sum(kind.failures for kind in kinds)
    ratio = failures / requests if requests else 1.0
    if ratio > thresholds.failure_ratio:
        worst = ", ".join(f"{kind.failures} {kind.name}" for kind in kinds if kind.failures)
        lines.append(
            f"failure ratio: {ratio:.4%} of {requests} requests failed "
            f"({worst or 'none was made'}), {thresholds.failure_ratio:.4%} may "
            "(WHARF_LOAD_FAILURE_RATIO)"
        )
    limit = thresholds.p99_milliseconds
    if limit is not None:
        lines += [
            f"p99: {kind.name} took {kind.p99_milliseconds:,.0f} ms, {limit:,.0f} are allowed "
            "(WHARF_LOAD_P99_MS)"
            for kind in kinds
            if kind.quick and kind.p99_milliseconds > limit
        ]
    floor = thresholds.requests_per_second
    rate = requests / seconds if seconds > 0 else 0.0
    if floor is not None and rate < floor:
        lines.append(
            f"throughput: {rate:.1f} requests a second, {floor:.1f} are wanted "
            "(WHARF_LOAD_REQUESTS_PER_SECOND)"
        )
    return lines
