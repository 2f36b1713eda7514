"""Dropping rows whose time is over, some at a time.

Writers wait for a transaction 2 s at most and PostgreSQL for a statement 5 s, while after a pause
of the worker there may be millions of rows.
"""

from __future__ import annotations

from itertools import takewhile

from servicekit.database import Database

_ROWS_A_TIME = 1000


def forget(database: Database, table: str, time: str, names: str, before: int) -> int:
    """Drops rows of a table whose column `time` is before a time; how many.

    `names` are the columns of the primary key, separated by commas; `time` has an index.
    """
    marks = " AND ".join(f"{name} = ?" for name in names.split(", "))
    count = 0
    while True:
        with database.transaction() as connection:
            rows = connection.rows(
                f"SELECT {names} FROM {table} WHERE {time} < ? ORDER BY {time} LIMIT ?",  # noqa: S608 -- constants only
                (before, _ROWS_A_TIME),
            )
            connection.execute_many(f"DELETE FROM {table} WHERE {marks}", rows)  # noqa: S608 -- constants only
        count += len(rows)
        if len(rows) < _ROWS_A_TIME:
            return count


def forget_events(database: Database, before: int) -> int:
    """Drops events older than a time, but each tenant's newest one; how many.

    Tenant by tenant: an index by time would cost each upload.
    """
    count, last = 0, ""
    while tenants := database.reading().rows(
        "SELECT tenant FROM usage WHERE tenant > ? ORDER BY tenant LIMIT ?", (last, _ROWS_A_TIME)
    ):
        for (last,) in tenants:
            count += _forget_events_of(database, last, before)
    return count


def _forget_events_of(database: Database, tenant: str, before: int) -> int:
    """The newest one stays: on SQLite the number after it would be given out again, and a reader
    who goes on after it would miss what has that number.
    """
    count = 0
    while True:
        rows = database.reading().rows(
            "SELECT seq, at FROM events WHERE tenant = ? ORDER BY seq LIMIT ?",
            (tenant, _ROWS_A_TIME + 1),
        )
        old = [row[0] for row in takewhile(lambda row: row[1] < before, rows[:-1])]
        if not old:
            return count
        with database.transaction() as connection:
            connection.execute(
                "DELETE FROM events WHERE tenant = ? AND seq <= ?", (tenant, old[-1])
            )
        count += len(old)
