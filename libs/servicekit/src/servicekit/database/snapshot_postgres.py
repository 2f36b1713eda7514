"""A snapshot's rows from PostgreSQL, and to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from servicekit.database.migrating import ADVISORY_LOCK
from servicekit.database.snapshot_tables import Tables, reading, refuse_rows

_ROWS_AT_ONCE = 2000
# Two restores into one database: the second one waits, and finds that it is not empty.
_ADVISORY_LOCK = 0x72657374


def save(
    url: str, tables: Tables, target: sqlite3.Connection, *, version_table: str, head: str
) -> str | None:
    """Copies all rows as of one moment into empty tables; the revision of that moment.

    Where it is not `head` nothing is copied. Raises `psycopg.Error`.
    """
    with psycopg.connect(url, autocommit=True) as source:
        # A migration waits until this is over, before it locks any table: it would wait for one
        # that is being read, and everybody else behind it.
        source.execute("SELECT pg_advisory_lock_shared(%s)", (ADVISORY_LOCK,))
        source.autocommit = False
        # The rows of all tables are those of the first statement's moment.
        source.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        source.read_only = True
        row = source.execute(
            sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(version_table))
        ).fetchone()
        found = row[0] if row else None
        if found != head:
            return found
        for table, columns in tables.columns.items():
            target.execute(f'DELETE FROM "{table}"')  # noqa: S608 -- a name from the schema
            with source.cursor(name="rows") as cursor:
                cursor.itersize = _ROWS_AT_ONCE
                cursor.execute(_select(table, columns))
                target.executemany(_insert(table, columns), cursor)
        target.commit()
        return head


def load(source: Path, tables: Tables, url: str) -> None:
    """Fills empty tables in one transaction; raises `SnapshotError` and `psycopg.Error`."""
    with closing(reading(source)) as saved, psycopg.connect(url) as database:
        database.execute("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))
        for table in tables.columns:
            found = database.execute(
                sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table))
            )
            refuse_rows(table, found.fetchone(), seeded=table in tables.seeded)
        for table, columns in tables.columns.items():
            if table in tables.seeded:
                database.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            with database.cursor() as cursor, cursor.copy(_copy(table, columns)) as copy:
                for row in saved.execute(_select(table, columns).as_string(None)):
                    copy.write_row(row)
            _advance_sequences(database, table, columns)
        database.commit()
        database.autocommit = True
        # Without statistics the first queries would be planned for empty tables.
        database.execute("ANALYZE")


def _advance_sequences(database: psycopg.Connection[Any], table: str, columns: list[str]) -> None:
    """The next number that a table gives is above those that came with the rows."""
    for column in columns:
        found = database.execute(
            "SELECT pg_get_serial_sequence(%s, %s)", (f'"{table}"', column)
        ).fetchone()
        if found and found[0]:
            database.execute(
                sql.SQL(
                    "SELECT setval({}, (SELECT coalesce(max({}), 0) + 1 FROM {}), false)"
                ).format(sql.Literal(found[0]), sql.Identifier(column), sql.Identifier(table))
            )


def _select(table: str, columns: list[str]) -> sql.Composed:
    names = sql.SQL(", ").join(sql.Identifier(name) for name in columns)
    return sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier(table))


def _copy(table: str, columns: list[str]) -> sql.Composed:
    names = sql.SQL(", ").join(sql.Identifier(name) for name in columns)
    return sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)


def _insert(table: str, columns: list[str]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join("?" for _ in columns)
    return f'INSERT INTO "{table}" ({names}) VALUES ({marks})'  # noqa: S608 -- names of the schema
