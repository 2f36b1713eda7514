"""The one table."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from loadtests.bench.servers import NGINX
from loadtests.bench.targets import TARGETS, server
from loadtests.bench.workloads import WORKLOADS, Record

_HEAD = (
    *("workload", "server", "synced", "median", "of nginx", "goal"),
    *("p50 ms", "p99 ms", "CPU", "peak PSS MB"),
)


def table(records: list[Record]) -> str:
    """Medians over the rounds; ratios to nginx are those of each round, and then the median."""
    lines = [_HEAD, tuple("---" for _ in _HEAD)]
    for name in WORKLOADS:
        for target in TARGETS:
            found = [one for one in records if one.workload == name and one.target == target]
            if found:
                lines.append(_row(name, target, found, records))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(name: str, target: str, found: list[Record], records: list[Record]) -> tuple[str, ...]:
    workload, measured = WORKLOADS[name], server(target, Path())
    rate = median(one.rate for one in found)
    goal = workload.goals.get(target)
    return (
        workload.title,
        measured.title,
        "yes" if measured.durable else "",
        f"{rate:,.0f} {workload.unit}",
        "1" if target == NGINX else f"{_ratio(found, records):.2f}",
        "" if goal is None else f"≥ {goal:.2f}",
        _middle([one.p50 for one in found], "{:.1f}"),
        _middle([one.p99 for one in found], "{:.1f}"),
        _middle([one.cpu_per_gib for one in found], "{:.2f} s/GiB")
        or _middle([one.cpu_per_request for one in found], "{:.0f} µs"),
        f"{max(one.peak_pss_bytes for one in found) / 1e6:.0f}",
    )


def _ratio(found: list[Record], records: list[Record]) -> float:
    reference = {
        one.turn: one.rate
        for one in records
        if one.target == NGINX and one.workload == found[0].workload
    }
    return median(one.rate / reference[one.turn] for one in found)


def _middle(values: list[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return form.format(median(known)) if known else ""
