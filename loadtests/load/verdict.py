"""The judgement of a run: one line, with the name of the threshold, for each missed one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtests.load.kinds import NOISY, QUICK
from loadtests.load.stages import Thresholds

if TYPE_CHECKING:
    from locust.stats import RequestStats


@dataclass(frozen=True)
class Kind:
    """The measurements of one kind of request. Only `quick` ones are judged by their p99."""

    name: str
    requests: int
    failures: int
    p99_milliseconds: float
    quick: bool


@dataclass(frozen=True)
class Numbers:
    """The measurements of a whole run, which took `seconds`. `exceptions` are errors in users."""

    kinds: Sequence[Kind]
    seconds: float
    exceptions: Sequence[str] = ()

    @staticmethod
    def of(stats: RequestStats, exceptions: Sequence[str]) -> Numbers:
        """Copy the measurements of locust."""
        kinds = [
            Kind(
                entry.name,
                entry.num_requests,
                entry.num_failures,
                entry.get_response_time_percentile(0.99),
                entry.name in QUICK,
            )
            for entry in stats.entries.values()
        ]
        begin = stats.start_time
        return Numbers(kinds, (stats.last_request_timestamp or begin) - begin, exceptions)


def missed(
    thresholds: Thresholds,
    numbers: Numbers,
    *,
    expected: Iterable[str] = (),
    faults: Sequence[str] = (),
) -> list[str]:
    """Return a line for each missed threshold and for each other failure of the run.

    Other failures are `faults` (wrong or lost bytes), `expected` requests that never succeeded,
    exceptions in users, and failed requests of the noisy tenant.
    """
    kinds = [kind for kind in numbers.kinds if not kind.name.startswith(NOISY)]
    lines = [f"wrong content: {fault}" for fault in faults]
    succeeded = {kind.name for kind in kinds if kind.requests > kind.failures}
    lines += [f"never done: no {name} succeeded" for name in expected if name not in succeeded]
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
    rate = requests / numbers.seconds if numbers.seconds > 0 else 0.0
    if floor is not None and rate < floor:
        lines.append(
            f"throughput: {rate:.1f} requests a second, {floor:.1f} are wanted "
            "(WHARF_LOAD_REQUESTS_PER_SECOND)"
        )
    lines += [f"exception in a user: {one}" for one in numbers.exceptions]
    return [*lines, *_noisy_failures(numbers.kinds)]


def _noisy_failures(kinds: Iterable[Kind]) -> list[str]:
    """Return a line for each kind of request of the noisy tenant that failed other than by 429."""
    return [
        f"the noisy tenant: {kind.failures} of {kind.requests} {kind.name} were "
        "answered with neither success nor 429"
        for kind in kinds
        if kind.name.startswith(NOISY) and kind.failures
    ]
