"""What a tenant may still store, inside the transaction that stores it.

The row of `usage` is read once per tenant and transaction, and on PostgreSQL it is the row that is
locked anyway: nobody else can use what is left before the commit.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from servicekit.database import Connection
from wharf_upload.records.base import QuotaExceeded, QuotaWarning

SELECT = (
    "SELECT usage.bytes, usage.files, limits.max_bytes, limits.max_files "
    "FROM usage LEFT JOIN limits ON limits.tenant = usage.tenant WHERE usage.tenant = ?"
)

_SELECT_LIMITS = "SELECT max_bytes, max_files FROM limits WHERE tenant = ?"


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for tenants for whom nothing else is set; `None` is no limit.

    The use of `warning_percent` of a limit is told by an event.
    """

    max_bytes: int | None = None
    max_files: int | None = None
    warning_percent: int = 90


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant has stored when the transaction begins, and may store."""

    used_bytes: int
    used_files: int
    max_bytes: int | None
    max_files: int | None

    def require(self, charges: Counter[str], needed_bytes: int, needed_files: int) -> None:
        """Raises `QuotaExceeded` when so much more is too much after `charges`.

        What needs no more of a thing is not refused for it, however much is used.
        """
        used_bytes = self.used_bytes + charges["bytes"]
        used_files = self.used_files + charges["files"]
        if _over(used_bytes, needed_bytes, self.max_bytes) or _over(
            used_files, needed_files, self.max_files
        ):
            raise QuotaExceeded(
                used_bytes=used_bytes,
                limit_bytes=self.max_bytes,
                needed_bytes=needed_bytes,
                used_files=used_files,
                limit_files=self.max_files,
                needed_files=needed_files,
            )

    def warning(self, charges: Counter[str], percent: int) -> str | None:
        """The JSON of a `quota.warning`, if `charges` cross the threshold of a limit upwards."""
        after_bytes = self.used_bytes + charges["bytes"]
        after_files = self.used_files + charges["files"]
        crossed = [
            name
            for name, before, after, limit in (
                ("bytes", self.used_bytes, after_bytes, self.max_bytes),
                ("files", self.used_files, after_files, self.max_files),
            )
            if limit is not None and 100 * before < percent * limit <= 100 * after
        ]
        if not crossed:
            return None
        warning = QuotaWarning(
            crossed=tuple(crossed),
            percent=percent,
            used_bytes=after_bytes,
            limit_bytes=self.max_bytes,
            used_files=after_files,
            limit_files=self.max_files,
        )
        return msgspec.json.encode(warning).decode()


def allowance(connection: Connection, tenant: str, quota: Quota, *, lock: bool) -> Allowance:
    """What the tenant may store by now; `lock` where writers do not take turns by themselves."""
    row = connection.row(SELECT + (" FOR UPDATE OF usage" if lock else ""), (tenant,))
    if row is None:  # nothing was ever stored
        limits = connection.row(
            "SELECT max_bytes, max_files FROM limits WHERE tenant = ?", (tenant,)
        )
        row = (0, 0, *(limits or (None, None)))
    return Allowance(
        used_bytes=row[0],
        used_files=row[1],
        max_bytes=quota.max_bytes if row[2] is None else row[2],
        max_files=quota.max_files if row[3] is None else row[3],
    )


def _over(used: int, needed: int, limit: int | None) -> bool:
    return limit is not None and needed > 0 and used + needed > limit
