"""The usage of a tenant, and its remaining quota."""

from __future__ import annotations

from collections import Counter

import msgspec

from wharf_upload.domain.refusals import QuotaExceeded
from wharf_upload.domain.row_limits import RowLimits


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """The quota of tenants without their own limits; `None` is no limit.

    When the usage crosses `warning_percent` of a limit, the service emits an event. `rows` applies
    to all tenants.
    """

    max_bytes: int | None = None
    max_files: int | None = None
    warning_percent: int = 90
    rows: RowLimits = RowLimits()


class Usage(msgspec.Struct, frozen=True):
    """How many bytes and files a tenant stores, or has reserved for resumable uploads."""

    bytes: int
    files: int


class TenantUsage(msgspec.Struct, frozen=True):
    """The usage and the limits of a tenant; `None` is no limit."""

    tenant: str
    used_bytes: int
    used_files: int
    limit_bytes: int | None
    limit_files: int | None

    @property
    def part(self) -> float:
        """Return the used share of the quota: the larger one of the shares of bytes and files.

        1 means that the quota is used up.
        """
        return max(
            _part(self.used_bytes, self.limit_bytes), _part(self.used_files, self.limit_files)
        )


class QuotaWarning(msgspec.Struct, frozen=True, kw_only=True):
    """A warning that the usage crossed `percent` of the quotas in `crossed` (`bytes`, `files`)."""

    crossed: tuple[str, ...]
    percent: int
    used_bytes: int
    limit_bytes: int | None
    used_files: int
    limit_files: int | None


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's usage at the start of the transaction, and its limits."""

    used_bytes: int
    used_files: int
    max_bytes: int | None
    max_files: int | None

    def require(self, charges: Counter[str], needed_bytes: int, needed_files: int) -> None:
        """Raise `QuotaExceeded` if the needed bytes or files exceed a limit after `charges`.

        A change that needs no more bytes is never refused because of bytes, even if the usage
        exceeds the limit. The same rule applies to files. `charges` are the changes of the usage in
        the transaction so far.
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

    def warning(self, charges: Counter[str], percent: int) -> QuotaWarning | None:
        """Return a warning if `charges` raise the usage to the threshold of a limit, or above it.

        The threshold is `percent` of the limit. Return `None` if no threshold is crossed.
        """
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
        return QuotaWarning(
            crossed=tuple(crossed),
            percent=percent,
            used_bytes=after_bytes,
            limit_bytes=self.max_bytes,
            used_files=after_files,
            limit_files=self.max_files,
        )


def _over(used: int, needed: int, limit: int | None) -> bool:
    return limit is not None and needed > 0 and used + needed > limit


def _part(used: int, limit: int | None) -> float:
    if limit is None:
        return 0.0
    return used / limit if limit else float(used > 0)
