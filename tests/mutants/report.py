"""The writer of docs/mutants.md, from the results of the packages and the reasons of survivors."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.mutants.mutant import NOT_CALLED, SURVIVED, TIMED_OUT
from tests.mutants.rooms import ROOMS, ROOT
from tests.mutants.verdicts import RESULTS

PAGE = ROOT / "docs" / "mutants.md"
REASONS = ROOT / "tests" / "mutants" / "reasons.toml"
TEXT = ROOT / "tests" / "mutants" / "page.md"
ENOUGH = 0.95


@dataclass(frozen=True)
class Reason:
    """The reason why certain mutants may survive. A `*` in the place or the change
    stands for any text.
    """

    where: str
    change: str
    why: str

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        return _pattern(self.where), _pattern(self.change)

    def covers(self, survivor: dict[str, str]) -> bool:
        """Tell whether the reason applies to this survivor."""
        where, change = self._patterns
        return bool(where.fullmatch(survivor["where"]) and change.fullmatch(survivor["change"]))


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


def reasons() -> list[Reason]:
    """Return the reasons in tests/mutants/reasons.toml."""
    entries = tomllib.loads(REASONS.read_text()).get("survivor", [])
    return [Reason(each["where"], each.get("change", "*"), each["why"]) for each in entries]


def results() -> dict[str, dict[str, Any]]:
    """Return the last result of each package that was tried."""
    files = {room.name: RESULTS / f"{room.name}.json" for room in ROOMS}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def score(result: dict[str, Any]) -> float:
    """Return the part of the mutants that the tests kill or that time out."""
    noticed = int(result["killed"]) + int(result[TIMED_OUT])
    return noticed / max(1, int(result["made"]))


def unexplained(result: dict[str, Any], why: Sequence[Reason]) -> list[dict[str, str]]:
    """Return the survivors without a reason."""
    return [
        survivor
        for survivor in result["survivors"]
        if not any(reason.covers(survivor) for reason in why)
    ]


def idle(why: Sequence[Reason]) -> list[Reason]:
    """Return the reasons that apply to no survivor."""
    survivors = [survivor for result in results().values() for survivor in result["survivors"]]
    return [reason for reason in why if not any(map(reason.covers, survivors))]


def page() -> str:
    """Return the text of docs/mutants.md."""
    why = reasons()
    found = results()
    table = [
        "| room | made | killed | timed out | survived | not called | score | without a reason |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *(_row(name, result, why) for name, result in found.items()),
    ]
    waiting = [room.name for room in ROOMS if room.name not in found]
    if waiting:
        table += ["", f"Not tried yet: {', '.join(waiting)}."]
    return (
        TEXT.read_text()
        .replace("{{table}}", "\n".join(table))
        .replace("{{reasons}}", "\n".join(_explained(found, why)) or "None.")
        .replace("{{open}}", "\n".join(_open(found, why)) or "None.")
    )


def _row(name: str, result: dict[str, Any], why: Sequence[Reason]) -> str:
    counts = (result[state] for state in ("made", "killed", TIMED_OUT, SURVIVED, NOT_CALLED))
    cells = " | ".join(str(count) for count in counts)
    return f"| {name} | {cells} | {score(result):.1%} | {len(unexplained(result, why))} |"


def _explained(found: dict[str, dict[str, Any]], why: Sequence[Reason]) -> Iterator[str]:
    survivors = [survivor for result in found.values() for survivor in result["survivors"]]
    for reason in why:
        covered = [survivor for survivor in survivors if reason.covers(survivor)]
        if covered:
            change = f", `{reason.change}`" if reason.change != "*" else ""
            yield f"- `{reason.where}`{change} ({len(covered)}): {reason.why}"


def _open(found: dict[str, dict[str, Any]], why: Sequence[Reason]) -> Iterator[str]:
    for name, result in found.items():
        places = Counter(survivor["where"] for survivor in unexplained(result, why))
        if places:
            yield f"- {name}: " + ", ".join(
                f"`{place}` {count}" for place, count in sorted(places.items())
            )


def write(rooms: Sequence[str]) -> int:
    """Write the page. Return 1 if one of `rooms` is below the limit or has a survivor without a
    reason, or if a reason applies to no survivor. Otherwise return 0.
    """
    PAGE.write_text(page())
    why = reasons()
    wrong = [f"no survivor needs the reason of {reason.where}" for reason in idle(why)]
    for name, result in results().items():
        if name not in rooms:
            continue
        left = unexplained(result, why)
        print(f"{name}: {score(result):.1%} of {result['made']} killed, {len(left)} unexplained")
        for survivor in left:
            print(f"  {survivor['state']}: {survivor['where']}\n    {survivor['change']}")
        if score(result) < ENOUGH:
            wrong.append(f"{name}: less than {ENOUGH:.0%} killed")
        if left:
            wrong.append(f"{name}: {len(left)} survivors without a reason")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0
