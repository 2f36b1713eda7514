"""What a tenant may still store, inside the transaction that stores it.

The row of `usage` is read once per tenant and transaction, and on PostgreSQL it is the row that is
locked anyway: nobody else can use what is left before the commit.
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
    """Return what the tenant may store by now; `lock` its row to make writers take turns."""
    row = connection.row(_SELECT + (" FOR UPDATE OF usage" if lock else ""), (tenant,))
    if row is None:  # nothing was ever stored
        limits = connection.row(_SELECT_LIMITS, (tenant,))
        row = (0, 0, *(limits or (None, None)))
    return Allowance(
        used_bytes=row[0],
        used_files=row[1],
        max_bytes=quota.max_bytes if row[2] is None else row[2],
        max_files=quota.max_files if row[3] is None else row[3],
    )
