"""The database's plans for the statements of an operation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from servicekit.database import Connection, Database, Row

Statement = tuple[str, tuple[object, ...]]
# Rows of the statement itself: `FROM (VALUES ...) AS given`, the rows that a recursive statement
# has found, a bounded number of rows that it counts, or a SELECT without FROM.
_OF_PARAMETERS = re.compile(
    r"SCAN (given|found|counted|(\d+ )?CONSTANT ROWS?|\d+-ROW VALUES CLAUSE)"
)


@dataclass
class Recorder:
    """A database (`Database`) that records its statements."""

    database: Database
    calls: list[Statement] = field(default_factory=list)
    dialect: str = field(init=False)

    def __post_init__(self) -> None:
        self.dialect = self.database.dialect

    @property
    def statements(self) -> dict[str, tuple[object, ...]]:
        """Return each statement once, with its first parameters."""
        return dict(reversed(self.calls))

    def reading(self) -> Connection:
        return _Recording(self.database.reading(), self)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self.database.transaction() as connection:
            yield _Recording(connection, self)

    def leave(self) -> None:
        self.database.leave()

    def close(self) -> None:
        self.database.close()

    def note(self, sql: str, parameters: Sequence[object]) -> None:
        """Record a statement."""
        self.calls.append((sql, tuple(parameters)))


@dataclass
class _Recording:
    connection: Connection
    recorder: Recorder

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        self.recorder.note(sql, parameters)
        return self.connection.rows(sql, parameters)

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        self.recorder.note(sql, parameters)
        return self.connection.row(sql, parameters)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        self.recorder.note(sql, parameters)
        return self.connection.execute(sql, parameters)

    def execute_many(self, sql: str, parameters: Iterable[Sequence[object]]) -> None:
        every = list(parameters)
        if every:
            self.recorder.note(sql, every[0])
        self.connection.execute_many(sql, every)


@dataclass(frozen=True)
class Plan:
    """A plan as `lines` of text; `faults` are the lines whose cost grows with the rows."""

    lines: tuple[str, ...]
    faults: tuple[str, ...]


def explain(database: Database, statement: Statement, *, generic: bool = False) -> Plan:
    """Return the plan of a statement; `generic` is PostgreSQL's plan for any parameters."""
    if database.dialect == "sqlite":
        return _explain_sqlite(database, statement)
    return _explain_postgres(database, statement, generic=generic)


def _explain_sqlite(database: Database, statement: Statement) -> Plan:
    sql, parameters = statement
    rows = database.reading().rows(f"EXPLAIN QUERY PLAN {sql}", parameters)
    lines = tuple(str(row[3]) for row in rows)
    faults = tuple(
        line
        for line in lines
        if (line.startswith("SCAN") and not _OF_PARAMETERS.fullmatch(line))
        or "TEMP B-TREE" in line.upper()
    )
    return Plan(lines, faults)


def _explain_postgres(database: Database, statement: Statement, *, generic: bool) -> Plan:
    sql, parameters = statement
    if generic:
        sql = _numbered(sql)
        with database.transaction() as connection:
            connection.execute(f"PREPARE explained AS {sql}")
            connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            values = ", ".join(_literal(value) for value in parameters)
            call = f"EXECUTE explained({values})" if parameters else "EXECUTE explained"
            row = connection.row(f"EXPLAIN (FORMAT JSON) {call}")
            connection.execute("DEALLOCATE explained")
    else:
        row = database.reading().row(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
    assert row is not None
    found = json.loads(row[0]) if isinstance(row[0], str) else row[0]
    nodes = list(_nodes(found[0]["Plan"], 0))
    return Plan(
        tuple("  " * depth + _described(node) for depth, node in nodes),
        tuple(_described(node) for _, node in nodes if _grows(node)),
    )


def pages_read(database: Database, statement: Statement) -> int:
    """Return the pages that PostgreSQL reads for a query, minus one for each returned row."""
    sql, parameters = statement
    row = database.reading().row(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", parameters)
    assert row is not None
    found = json.loads(row[0]) if isinstance(row[0], str) else row[0]
    plan = found[0]["Plan"]
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] - plan["Actual Rows"]
    return max(0, int(pages))


def _numbered(sql: str) -> str:
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return f"ARRAY[{', '.join(map(_literal, value))}]"
    # A literal must not contain `?` or `%`, which have a meaning in statements.
    return "'" + str(value).replace("'", "''").replace("?", "-").replace("%", "-") + "'"


def _nodes(node: dict[str, Any], depth: int) -> Iterator[tuple[int, dict[str, Any]]]:
    yield depth, node
    for child in node.get("Plans", ()):
        yield from _nodes(child, depth + 1)


def _described(node: dict[str, Any]) -> str:
    parts = [node["Node Type"]]
    for word, name in (("using", "Index Name"), ("on", "Relation Name")):
        if name in node:
            parts.append(f"{word} {node[name]}")
    conditions = [
        f"[{name}: {node[name]}]" for name in ("Index Cond", "Filter", "Sort Key") if name in node
    ]
    return " ".join(parts + conditions)


def _grows(node: dict[str, Any]) -> bool:
    """Tell whether a node scans a table or a whole index, sorts, or joins by hash or merge."""
    kind = node["Node Type"]
    if kind in {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}:
        # Below a limit, a scan from one end of an ordered index needs no condition.
        return "Index Cond" not in node
    return kind in {"Seq Scan", "Sort", "Incremental Sort", "Hash Join", "Merge Join"}
