"""Checks the tenant's quota before a large body arrives; the commit makes the final decision.

A small body arrives together with its request, so only the commit checks its quota.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from wharf_upload.domain.quotas import Allowance, Usage
from wharf_upload.domain.refusals import QuotaExceeded
from wharf_upload.domain.reservation import Reserved
from wharf_upload.tenancy.limits import TenantLimits

_NOTHING: Counter[str] = Counter()


class StoredUsage(Protocol):
    """The queries of the check to the database; see `database.contract`."""

    def usage(self, tenant: str) -> Usage:
        """Return the bytes and files that the tenant stores or reserves for resumable uploads."""

    def expire_tenant(self, tenant: str, now: int) -> int:
        """Delete expired files of the tenant; return how many were deleted."""


class QuotaCheck:
    """Compares the needs of an upload with the tenant's remaining quota."""

    def __init__(
        self, stored: StoredUsage, tenant_limits: TenantLimits, clock: Callable[[], float]
    ) -> None:
        """Take a `clock` of unix seconds."""
        self._stored, self._tenant_limits, self._clock = stored, tenant_limits, clock

    def require(
        self, tenant: str, reserved: Reserved, needed_bytes: int, needed_files: int
    ) -> None:
        """Raise `QuotaExceeded` if the upload and `reserved` together do not fit into the quota."""
        allowance = self._allowance(tenant, reserved)
        try:
            allowance.require(_NOTHING, needed_bytes, needed_files)
        except QuotaExceeded as error:
            given_back = Counter(bytes=-reserved.quota_bytes, files=-reserved.files)
            with suppress(QuotaExceeded):
                allowance.require(given_back, needed_bytes, needed_files)
                error.for_now = True
            raise

    def left_bytes(self, tenant: str, reserved: Reserved) -> int | None:
        """Return how many bytes of the quota remain after `reserved`; `None` is no limit."""
        allowance = self._allowance(tenant, reserved)
        if allowance.max_bytes is None:
            return None
        return allowance.max_bytes - allowance.used_bytes

    def expire(self, tenant: str) -> bool:
        """Delete expired files of the tenant; return whether there were any."""
        return bool(self._stored.expire_tenant(tenant, int(self._clock() * 1000)))

    def _allowance(self, tenant: str, reserved: Reserved) -> Allowance:
        limits = self._tenant_limits.of(tenant)
        unlimited = limits.max_bytes is None and limits.max_files is None
        used = Usage(0, 0) if unlimited else self._stored.usage(tenant)
        return Allowance(
            used_bytes=used.bytes + reserved.quota_bytes,
            used_files=used.files + reserved.files,
            max_bytes=limits.max_bytes,
            max_files=limits.max_files,
        )
