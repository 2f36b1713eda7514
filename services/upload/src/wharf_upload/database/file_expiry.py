"""The removal of expired files: clients no longer see them, but their rows remain for a while."""

from __future__ import annotations

from collections.abc import Sequence

from servicekit.database import Connection
from wharf_upload.database import file_rows
from wharf_upload.database.file_rows import COLUMNS, find, to_file
from wharf_upload.database.unit_of_work import Change, UnitOfWork
from wharf_upload.domain.files import File

_SELECT_EXPIRED = (
    f"SELECT {COLUMNS} FROM files WHERE tenant = ? "  # noqa: S608 -- constants only
    "AND expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?"
)
_EXPIRED_A_TIME = 1000


def expire(tenant: str, names: Sequence[tuple[str, str]], now: int) -> Change:
    """Return the change that removes those of the given files (bucket, key) that have expired.

    The change returns the number of removed files. One transaction removes all these files, so that
    a million files with the same expiry do not cause a million commits.
    """

    def change(connection: Connection, unit: UnitOfWork) -> int:
        found = (find(connection, tenant, bucket, key) for bucket, key in names)
        expired = [file for file in found if file is not None and file.is_expired(now)]
        for file in expired:
            remove(connection, unit, file, now, "file.expired")
        return len(expired)

    return change


def expire_tenant(tenant: str, now: int) -> Change:
    """Return the change that removes at most 1,000 of a tenant's expired files.

    The change returns the number of removed files.
    """

    def change(connection: Connection, unit: UnitOfWork) -> int:
        rows = connection.rows(_SELECT_EXPIRED, (tenant, now, _EXPIRED_A_TIME))
        for row in rows:
            remove(connection, unit, to_file(row), now, "file.expired")
        return len(rows)

    return change


def remove(connection: Connection, unit: UnitOfWork, file: File, at: int, kind: str) -> None:
    """Remove a file in the transaction and record an event of this kind."""
    file_rows.delete(connection, file)
    unit.mark_pending_deletion(file, at)
    unit.event(kind, file, at)
