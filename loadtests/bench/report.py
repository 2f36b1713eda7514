"""The tables of a run, and remarks about its reliability."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from loadtests.bench.results import Row, Run
from loadtests.bench.servers import NGINX
from loadtests.bench.spread import is_unsteady, spread
from loadtests.bench.targets import TARGETS, server
from loadtests.bench.workloads import WORKLOADS

_HEAD = (
    *("workload", "server", "synced", "median", "of nginx", "spread", "goal"),
    *("p50 ms", "p99 ms", "CPU", "spread", "peak PSS MB"),
)


def table(run: Run) -> str:
    """Return a table of each row's medians over the rounds, for rates and for ratios to nginx."""
    rows = run.rows()
    found = [
        rows[key] for name in WORKLOADS for target in TARGETS if (key := (name, target)) in rows
    ]
    return markdown(_HEAD, [_row(one) for one in found])


def hotpath_table(run: Run) -> str:
    """Return a table of the upload service's CPU time by kind of request; empty without rows."""
    rows = run.hotpath_rows().items()
    lines = [(kind, f"{median(found):.0f} µs", spread_cell(found)) for kind, found in rows]
    return markdown(("request, Python alone", "CPU", "spread"), lines) if lines else ""


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---" for _ in head], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread_cell(values: Sequence[float]) -> str:
    """Return the spread of rounds and whether it is too large; empty for one round."""
    return f"{'unsteady ' if is_unsteady(values) else ''}{_percent(values)}"


def _percent(values: Sequence[float]) -> str:
    found = spread(values)
    return "" if found is None else f"{found * 100:.0f} %"


def title(workload: str) -> str:
    """Return the title of a workload; its name if this revision does not have it."""
    return WORKLOADS[workload].title if workload in WORKLOADS else workload


def remarks(run: Run) -> list[str]:
    """Return the lines that help a reader to judge the run; the last line is the verdict."""
    lines = []
    if restless := sum(not one.calm for one in run.records):
        lines.append(f"{restless} of {len(run.records)} measurements began on a busy machine.")
    if run.quick:
        lines.append("--quick: sizes too small for conclusions.")
    if max(one.turn for one in run.records) == 1:
        return [*lines, "One round has no spread: this run cannot be used to judge any row."]
    unusable = list(_unusable(run))
    if unusable:
        return [*lines, f"This run cannot be used to judge: {'; '.join(unusable)}."]
    return [*lines, "Every row is steady: rounds differ by 15 % or less."]


def _unusable(run: Run) -> list[str]:
    """Return a text for each row whose rounds differ by too much."""
    numbers = {
        f"{row.workload} {row.target}": {"rate": row.judged, "CPU": row.cpu}
        for row in run.rows().values()
    }
    numbers |= {f"{kind} in Python": {"CPU": one} for kind, one in run.hotpath_rows().items()}
    found = []
    for name, kinds in numbers.items():
        wild = [f"{what} {_percent(one)}" for what, one in kinds.items() if is_unsteady(one)]
        if wild:
            found.append(f"{name} ({', '.join(wild)})")
    return found


def _row(row: Row) -> tuple[str, ...]:
    workload, measured = WORKLOADS[row.workload], server(row.target, Path())
    goal = workload.goals.get(row.target)
    return (
        workload.title,
        measured.title,
        "yes" if measured.durable else "",
        f"{median(row.rates):,.0f} {workload.unit}",
        "1" if row.target == NGINX else f"{median(row.ratios):.2f}",
        spread_cell(row.judged),
        "" if goal is None else f"≥ {goal:.2f}",
        _middle([one.p50 for one in row.records], "{:.1f}"),
        _middle([one.p99 for one in row.records], "{:.1f}"),
        _middle(row.cpu, "{:.0f} µs" if row.is_small else "{:.2f} s/GiB"),
        spread_cell(row.cpu),
        f"{max(row.memory) / 1e6:.0f}",
    )


def _middle(values: Sequence[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return form.format(median(known)) if known else ""
