"""Removes all rows of a tenant in steps that are short enough to run between uploads.

Each new table with a column `tenant` must be added to one of the lists here; a test checks this.
"""

from __future__ import annotations

from servicekit.database import Connection
from wharf_upload.database.file_rows import COLUMNS, to_file
from wharf_upload.database.unit_of_work import Change, UnitOfWork
from wharf_upload.domain.clock import now_milliseconds

# Tables that may have many rows of a tenant, with the columns that, together with the tenant,
# identify a row. These rows are deleted in batches.
LARGE = {
    "deliveries": "endpoint, seq",
    "events": "seq",
    "idempotency": "subject, key",
    "jobs": "id",
    "jobs_dead": "id",
    "links": "id",
    "ticket_uses": "ticket",
    "upload_parts": "final, position",
    "uploads": "id",
}
# The other tables; one step at the end deletes their rows.
SMALL = ("buckets", "cors_origins", "endpoints", "limits", "link_keys")
# Other code removes the rows of these tables: files one by one, pending deletions after the removal
# of their bytes, and `usage` at the very end, when everything that it counts was removed.
OTHERWISE = ("files", "doomed", "usage")


def purge_step(tenant: str, limit: int) -> Change:
    """Return the change that removes at most `limit` rows of a tenant.

    The last step removes all rows of the tables `SMALL`. The result of the change is the number of
    removed rows; 0 means that only pending deletions are left. The sweeper removes the blobs of the
    files later. The step records no events, because the deletion of the tenant implies the deletion
    of its files.
    """

    def change(connection: Connection, unit: UnitOfWork) -> int:
        return (
            _files(connection, unit, tenant, limit)
            or _large(connection, tenant, limit)
            or _small(connection, tenant)
        )

    return change


def _files(connection: Connection, unit: UnitOfWork, tenant: str, limit: int) -> int:
    rows = connection.rows(
        f"SELECT {COLUMNS} FROM files WHERE tenant = ? ORDER BY bucket, key LIMIT ?",  # noqa: S608 -- constants only
        (tenant, limit),
    )
    files = [to_file(row) for row in rows]
    connection.execute_many(
        "DELETE FROM files WHERE tenant = ? AND bucket = ? AND key = ?",
        [(tenant, file.bucket, file.key) for file in files],
    )
    now = now_milliseconds()
    for file in files:
        unit.mark_pending_deletion(file, now)
    return len(files)


def _large(connection: Connection, tenant: str, limit: int) -> int:
    for table, names in LARGE.items():
        # Select the rows first, then delete them by key: for one statement with a subquery,
        # PostgreSQL reads all rows of the tenant in each step.
        rows = connection.rows(
            f"SELECT tenant, {names} FROM {table} WHERE tenant = ? LIMIT ?",  # noqa: S608 -- constants only
            (tenant, limit),
        )
        named = "".join(f" AND {name} = ?" for name in names.split(", "))
        connection.execute_many(f"DELETE FROM {table} WHERE tenant = ?{named}", rows)  # noqa: S608 -- constants only
        if rows:
            return len(rows)
    return 0


def _small(connection: Connection, tenant: str) -> int:
    count = sum(
        connection.execute(f"DELETE FROM {table} WHERE tenant = ?", (tenant,))  # noqa: S608 -- constants only
        for table in SMALL
    )
    # The row of `usage` does not count as removed, because on PostgreSQL the lock of this
    # transaction may just have created the row.
    connection.execute("DELETE FROM usage WHERE tenant = ?", (tenant,))
    return count
