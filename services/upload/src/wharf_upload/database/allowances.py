"""Reads the usage and the quota of a tenant inside the transaction that stores files.

A transaction reads the row of `usage` once for each tenant. On PostgreSQL, the transaction also
locks this row, so no other transaction can use up the remaining quota before the commit.
"""

from __future__ import annotations

from servicekit.database import Connection
from wharf_upload.domain.quotas import Allowance, Quota

_SELECT = (
    "SELECT usage.bytes, usage.files, limits.max_bytes, limits.max_files "
    "FROM usage LEFT JOIN limits ON limits.tenant = usage.tenant WHERE usage.tenant = ?"
)
_SELECT_LIMITS = "SELECT max_bytes, max_files FROM limits WHERE tenant = ?"


def allowance(connection: Connection, tenant: str, quota: Quota, *, lock: bool) -> Allowance:
    """Return the tenant's usage and quota; with `lock`, lock the tenant's row of `usage`.

    The lock lasts until the transaction ends.
    """
    row = connection.row(_SELECT + (" FOR UPDATE OF usage" if lock else ""), (tenant,))
    if row is None:  # The tenant has never stored a file.
        limits = connection.row(_SELECT_LIMITS, (tenant,))
        row = (0, 0, *(limits or (None, None)))
    return Allowance(
        used_bytes=row[0],
        used_files=row[1],
        max_bytes=quota.max_bytes if row[2] is None else row[2],
        max_files=quota.max_files if row[3] is None else row[3],
    )
