"""`make bench-compare A=… B=…`: compare the rows of two runs, with the spread of their rounds.

The exit status is 1 when a row of B is worse than in A. nginx is the same program in both runs, so
its row shows how the machine itself differed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from loadtests.bench.report import markdown, title
from loadtests.bench.results import Row, Run, load
from loadtests.bench.servers import NGINX
from loadtests.bench.spread import Verdict, change, compare

_HEAD = ("workload", "server", "of nginx (nginx: rate)", "CPU", "peak PSS MB")
_JUDGES_NOTHING = (Verdict.UNSTEADY, Verdict.ONE_ROUND)


def comparison(before: Run, after: Run) -> tuple[str, Counter[Verdict]]:
    """Return the table of rows that both runs have, and the verdicts of all rows except nginx's."""
    verdicts: Counter[Verdict] = Counter()
    lines = []
    old_rows = before.rows()
    for key, new in after.rows().items():
        if old := old_rows.get(key):
            cells = _cells(old, new)
            lines.append((title(new.workload), new.target, *(text for text, _ in cells)))
            if new.target != NGINX:
                verdicts.update(verdict for _, verdict in cells if verdict)
    old_kinds = before.hotpath_rows()
    for kind, values in after.hotpath_rows().items():
        if kind in old_kinds:
            text, verdict = _cell(old_kinds[kind], values, "{:.0f} µs", more_is_better=False)
            lines.append((kind, "Python alone", "", text, ""))
            verdicts.update([verdict] if verdict else [])
    return markdown(_HEAD, lines), verdicts


def _cells(old: Row, new: Row) -> list[tuple[str, Verdict | None]]:
    speed = "{:,.0f}" if new.target == NGINX else "{:.2f}"
    cpu = "{:.0f} µs" if new.is_small else "{:.2f} s/GiB"
    memory = [tuple(value / 1e6 for value in row.memory) for row in (old, new)]
    return [
        _cell(old.judged, new.judged, speed, more_is_better=True),
        _cell(old.cpu, new.cpu, cpu, more_is_better=False),
        _cell(memory[0], memory[1], "{:.0f}", more_is_better=False),
    ]


def _cell(
    old: Sequence[float], new: Sequence[float], form: str, *, more_is_better: bool
) -> tuple[str, Verdict | None]:
    """Return a cell with both medians, their difference, the spread and the verdict."""
    if not old or not new:
        return "", None
    verdict, widest = compare(old, new, more_is_better=more_is_better)
    within = "" if widest is None else f", spread {widest * 100:.0f} %"
    medians = f"{form.format(median(old))} → {form.format(median(new))}"
    return f"{medians} ({change(old, new) * 100:+.0f} %{within}): {verdict}", verdict


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make bench-compare", description=__doc__)
    parser.add_argument("before", type=Path, help="result of `make bench`: A")
    parser.add_argument("after", type=Path, help="another one: B")
    arguments = parser.parse_args()
    try:
        before, after = load(arguments.before), load(arguments.after)
    except (OSError, msgspec.DecodeError) as error:
        sys.exit(f"bench-compare: {error}; write A=… B=… with two results of make bench")
    if before.machine != after.machine or before.quick != after.quick:
        print(f"bench-compare: not the same machine:\n{before.machine}\n{after.machine}\n")
    text, verdicts = comparison(before, after)
    print(f"A: {before.commit}\nB: {after.commit}\n\n{text}\n")
    unjudged = sum(verdicts[verdict] for verdict in _JUDGES_NOTHING)
    print(
        f"{verdicts[Verdict.BETTER]} better, {verdicts[Verdict.WORSE]} worse, "
        f"{verdicts[Verdict.SAME]} within the spread, {unjudged} cannot be judged"
    )
    sys.exit(1 if verdicts[Verdict.WORSE] else 0)


if __name__ == "__main__":
    main()
