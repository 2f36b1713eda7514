"""Dropping rows whose time is over, some at a time.

Writers wait for a transaction 2 s at most and PostgreSQL for a statement 5 s, while after a pause
of the worker there may be millions of rows.
"""

from __future__ import annotations

from servicekit.database import Database

ROWS_A_TIME = 1000


def forget(database: Database, table: str, time: str, names: str, before: int) -> int:
    """Drop rows of a table whose column `time` is before a time; return how many.

    `names` are the columns of the primary key, separated by commas; `time` has an index.
    """
    marks = " AND ".join(f"{name} = ?" for name in names.split(", "))
    count = 0
    while True:
        with database.transaction() as connection:
            rows = connection.rows(
                f"SELECT {names} FROM {table} WHERE {time} < ? ORDER BY {time} LIMIT ?",  # noqa: S608 -- constants only
                (before, ROWS_A_TIME),
            )
            connection.execute_many(f"DELETE FROM {table} WHERE {marks}", rows)  # noqa: S608 -- constants only
        count += len(rows)
        if len(rows) < ROWS_A_TIME:
            return count
