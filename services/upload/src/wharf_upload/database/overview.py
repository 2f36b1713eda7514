"""What all tenants use, for the operator's metrics: the one place that asks over tenants."""

from __future__ import annotations

from collections.abc import Iterator

from servicekit.database import Database
from wharf_upload.domain.quotas import Quota, TenantUsage

_TENANTS_A_TIME = 1000
_USAGES = (
    "SELECT usage.tenant, usage.bytes, usage.files, limits.max_bytes, limits.max_files "
    "FROM usage LEFT JOIN limits ON limits.tenant = usage.tenant "
    "WHERE usage.tenant > ? ORDER BY usage.tenant LIMIT ?"
)
_UNFINISHED = "SELECT count(*), sum(reserved_bytes) FROM uploads WHERE file IS NULL"


class SqlOverview:
    """Asks about all tenants, some at a time: memory stays the same with any number of them."""

    def __init__(self, database: Database, quota: Quota | None = None) -> None:
        """`quota` holds where nothing else is set."""
        self._database, self._quota = database, quota or Quota()

    @property
    def warning_part(self) -> float:
        """The part of a quota from which on a tenant is warned."""
        return self._quota.warning_percent / 100

    def usages(self) -> Iterator[TenantUsage]:
        """Yield what each tenant uses that ever stored something."""
        after = ""
        while rows := self._database.reading().rows(_USAGES, (after, _TENANTS_A_TIME)):
            for tenant, used_bytes, used_files, max_bytes, max_files in rows:
                yield TenantUsage(
                    tenant,
                    used_bytes,
                    used_files,
                    self._quota.max_bytes if max_bytes is None else max_bytes,
                    self._quota.max_files if max_files is None else max_files,
                )
            after = rows[-1][0]

    def unfinished(self) -> tuple[int, int]:
        """Return the number of resumable uploads not complete, and the bytes they reserve."""
        [(count, reserved_bytes)] = self._database.reading().rows(_UNFINISHED)
        return count, int(reserved_bytes or 0)
