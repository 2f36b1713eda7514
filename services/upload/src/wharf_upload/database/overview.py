"""The usage of all tenants, for the operator's metrics."""

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
    """Queries the usage in batches, so that memory use does not grow with the number of tenants."""

    def __init__(self, database: Database, quota: Quota | None = None) -> None:
        """Take the `quota` that applies to tenants without their own limits."""
        self._database, self._quota = database, quota or Quota()

    @property
    def warning_part(self) -> float:
        """Return the share of a quota (0 to 1) at which the service warns a tenant."""
        return self._quota.warning_percent / 100

    def usages(self) -> Iterator[TenantUsage]:
        """Yield the usage of each tenant that has a row in the table `usage`."""
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
        """Return the number of unfinished resumable uploads, and the bytes that they reserve."""
        [(count, reserved_bytes)] = self._database.reading().rows(_UNFINISHED)
        return count, int(reserved_bytes or 0)
