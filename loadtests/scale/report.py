"""The tables of `make scale` in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice

from loadtests.scale.case import Case
from loadtests.scale.http_layer import LoadRatio
from loadtests.scale.operations import OPERATIONS
from loadtests.scale.plans import Recorder, explain
from loadtests.scale.records_layer import Cost
from servicekit.database import Database
from wharf_upload.database.file_rows import COLUMNS
from wharf_upload.database.sql import SqlRecords

_LARGEST = 8
# The kinds of statements that find rows; an INSERT does not find rows.
_LOOKS = ("SEARCH", "SCAN", "Scan")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---" for _ in head], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def costs(what: str, found: Sequence[Cost]) -> str:
    """Return a table of medians, with the ratios of medians and of means."""
    head = (what, "empty, µs", "full, µs", "ratio", "ratio of means", "first call, µs")
    return _table(
        head,
        (
            (
                cost.title,
                f"{cost.small_median:,.0f}",
                f"{cost.full_median:,.0f}",
                f"{cost.ratio:.2f}",
                f"{cost.mean_ratio:.2f}",
                f"{cost.full_first:,.0f}",
            )
            for cost in found
        ),
    )


def loads(found: Sequence[LoadRatio]) -> str:
    """Return a table of rates, and of CPU time for a request."""
    head = ("load", "empty, /s", "full, /s", "ratio", "empty, CPU ms", "full, CPU ms", "ratio")
    return _table(
        head,
        (
            (
                load.title,
                f"{load.small.per_second:,.0f}",
                f"{load.full.per_second:,.0f}",
                f"{load.time_ratio:.2f}",
                f"{load.small.cpu_milliseconds:.2f}",
                f"{load.full.cpu_milliseconds:.2f}",
                f"{load.cpu_ratio:.2f}",
            )
            for load in found
        ),
    )


def sizes(found: dict[str, int], files: int) -> str:
    """Return a table of the largest tables and indexes, in bytes for each file."""
    return _table(
        ("table or index", "MB", "bytes per file"),
        (
            (name, f"{size / 1e6:,.0f}", f"{size / files:.0f}")
            for name, size in islice(found.items(), _LARGEST)
        ),
    )


def plans(case: Case, database: Database) -> str:
    """Return the plans of all statements that find rows for an operation, each once."""
    recorder, seen, lines = Recorder(database), set[str](), []
    recorded = Case(SqlRecords(recorder), case.everybody, case.random)
    for operation in OPERATIONS:
        run = operation.prepare(recorded)
        recorder.calls.clear()
        run()
        for sql, parameters in recorder.statements.items():
            if sql not in seen:
                seen.add(sql)
                plan = explain(database, (sql, parameters), generic=True).lines
                if any(word in line for line in plan for word in _LOOKS):
                    lines += [f"-- {operation.title}", _short(sql)]
                    lines += [f"    {_short(line)}" for line in plan] + [""]
    return "\n".join(["```", *lines[:-1], "```"])


def _short(line: str) -> str:
    """Return a line without the columns, repeated parameters and PostgreSQL's type names."""
    line = line.replace(COLUMNS, "…").replace("::text[]", "").replace("::text", "")
    line = re.sub(r"\?(, \?){3,}", "?, …", line)
    line = re.sub(r"(\$\d+)(, \$\d+){3,}", r"\1, …", line)
    return re.sub(r"\((\$?\w+)\)(?= )", r"\1", line)
