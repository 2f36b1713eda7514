"""A first look at the tenant's quota, before a large body comes; the commit decides.

Small bodies come along with their request, so for them there is no such look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from wharf_upload.domain.quotas import Allowance, Usage
from wharf_upload.tenancy.limits import TenantLimits


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
        self, tenant: str, charges: Counter[str], needed_bytes: int, needed_files: int
    ) -> None:
        """Raise `QuotaExceeded` where so much more cannot be stored after `charges`.

        `charges` are the `bytes` and `files` of bodies under way.
        """
        self._allowance(tenant).require(charges, needed_bytes, needed_files)

    def left_bytes(self, tenant: str, charges: Counter[str]) -> int | None:
        """Return how many bytes are left after `charges`; `None` is no limit."""
        allowance = self._allowance(tenant)
        if allowance.max_bytes is None:
            return None
        return allowance.max_bytes - allowance.used_bytes - charges["bytes"]

    def expire(self, tenant: str) -> bool:
        """Delete files of the tenant whose time is over; tell whether there were any."""
        return bool(self._stored.expire_tenant(tenant, int(self._clock() * 1000)))

    def _allowance(self, tenant: str) -> Allowance:
        limits = self._tenant_limits.of(tenant)
        unlimited = limits.max_bytes is None and limits.max_files is None
        used = Usage(0, 0) if unlimited else self._stored.usage(tenant)
        return Allowance(
            used_bytes=used.bytes,
            used_files=used.files,
            max_bytes=limits.max_bytes,
            max_files=limits.max_files,
        )
