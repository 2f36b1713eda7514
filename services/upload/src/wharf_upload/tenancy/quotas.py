"""A first look at the tenant's quota, before a large body comes; the commit decides.

Small bodies come along with their request, so for them there is no such look.
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
    """What the check asks the database; see `database.contract`."""

    def usage(self, tenant: str) -> Usage:
        """Return what the tenant has stored."""

    def expire_tenant(self, tenant: str, now: int) -> int:
        """Delete files of the tenant whose time is over; return how many."""


class QuotaCheck:
    """Compares what an upload needs with what its tenant may still store."""

    def __init__(
        self, stored: StoredUsage, tenant_limits: TenantLimits, clock: Callable[[], float]
    ) -> None:
        """`clock` gives unix seconds."""
        self._stored, self._tenant_limits, self._clock = stored, tenant_limits, clock

    def require(
        self, tenant: str, reserved: Reserved, needed_bytes: int, needed_files: int
    ) -> None:
        """Raise `QuotaExceeded` where so much more cannot be stored after what is reserved."""
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
        """Return how many bytes are left after what is reserved; `None` is no limit."""
        allowance = self._allowance(tenant, reserved)
        if allowance.max_bytes is None:
            return None
        return allowance.max_bytes - allowance.used_bytes

    def expire(self, tenant: str) -> bool:
        """Delete files of the tenant whose time is over; tell whether there were any."""
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
