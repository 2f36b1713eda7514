"""Deletes rows that are older than a time, in batches.

After a pause of the worker there may be millions of old rows. One transaction cannot delete them
all, because writers wait at most 2 s for a transaction, and PostgreSQL aborts a statement after 5
s.
"""

from __future__ import annotations

from servicekit.database import Database

ROWS_A_TIME = 1000


def forget(database: Database, table: str, time: str, names: str, before: int) -> int:
    """Delete rows with a time before `before` in the column `time`; return how many were deleted.

    `names` are the columns of the primary key, separated by commas; the column `time` needs an
    index.
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
