"""What a snapshot's file holds: its tables, in an order in which they can be filled."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote


class SnapshotError(Exception):
    """What the operator has to put right; the message is one line."""


class Tables:
    """The tables of a service in an order in which rows may refer to those before them."""

    def __init__(self, file: Path, version_table: str, seeded: frozenset[str]) -> None:
        """`seeded` are those that a migration itself fills."""
        self.columns: dict[str, list[str]] = {}
        self.seeded = seeded
        with closing(reading(file)) as database:
            names = table_names(database, version_table)
            needs = {
                name: {row[2] for row in database.execute(f'PRAGMA foreign_key_list("{name}")')}
                for name in names
            }
            while names:
                name = next(one for one in names if not needs[one] & set(names) - {one})
                names.remove(name)
                rows = database.execute(f'PRAGMA table_info("{name}")')
                self.columns[name] = [row[1] for row in rows]


def table_names(database: sqlite3.Connection, version_table: str) -> list[str]:
    """The service's own, without the one that has the revision."""
    rows = database.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' "
        "AND name <> ? ORDER BY name",
        (version_table,),
    )
    return [name for (name,) in rows]


def reading(file: Path) -> sqlite3.Connection:
    """The file, which may lie where nothing can be written."""
    return sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)


def refuse_rows(table: str, found: object, *, seeded: bool) -> None:
    """Raises `SnapshotError` where a restore would mix with what is there."""
    if found and not seeded:
        raise SnapshotError(
            f"the database is in use: its table {table} has rows; restore needs an empty one "
            "(another WHARF_DATA or WHARF_DATABASE_URL)"
        )
