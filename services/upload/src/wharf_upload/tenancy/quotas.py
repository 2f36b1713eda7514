"""A first look at the tenant's quota, before a large body comes; the commit decides.

Small bodies come along with their request, so for them there is no such look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from wharf_upload.domain.files import File
from wharf_upload.domain.quotas import Allowance, Usage
from wharf_upload.domain.refusals import QuotaExceeded
from wharf_upload.domain.upload_request import UploadRequest
from wharf_upload.tenancy.limits import TenantLimits


class StoredUsage(Protocol):
    """What the check asks the database; see `database.contract`."""

    def usage(self, tenant: str) -> Usage:
        """Return what the tenant has stored."""

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """Return the live file of this key."""

    def expire_tenant(self, tenant: str, now: int) -> int:
        """Delete files of the tenant whose time is over; return how many."""


class QuotaCheck:
    """Compares what an upload needs with what its tenant may still store."""

    def __init__(
        self, stored: StoredUsage, tenant_limits: TenantLimits, clock: Callable[[], float]
    ) -> None:
        """`clock` gives unix seconds."""
        self._stored, self._tenant_limits, self._clock = stored, tenant_limits, clock

    def require_for_file(self, upload: UploadRequest) -> None:
        """Raise `QuotaExceeded` when the body cannot be stored under its key."""
        if upload.idempotency is not None:
            # It may repeat an upload that is stored already, which costs nothing.
            return
        length = upload.length_bytes or 0
        try:
            self._require(upload.tenant, length, 1)
        except QuotaExceeded:
            old = self._stored.file(upload.tenant, upload.bucket, upload.key)
            if old is None:
                raise
            self._require(upload.tenant, length - old.size, 0)

    def require_for_form(self, tenant: str, length_bytes: int) -> None:
        """Raise `QuotaExceeded` when a form with so many bytes of files cannot be stored.

        It is not known yet whether the files replace others: they are taken for new ones.
        """
        self._require(tenant, length_bytes, 1)

    def left_for_file(self, upload: UploadRequest, wanted_bytes: int) -> int | None:
        """Return how many bytes a body without a length may bring under its key.

        `None` where no quota bounds it: it may repeat an upload that is stored already.
        """
        if upload.idempotency is not None:
            return None
        left = self.left(upload.tenant, wanted_bytes)
        if left is None or left >= wanted_bytes:
            return left
        old = self._stored.file(upload.tenant, upload.bucket, upload.key)
        return left if old is None else left + old.size

    def left(self, tenant: str, wanted_bytes: int) -> int | None:
        """Return how many bytes the tenant may still store; `None` is no limit.

        Where that is less than `wanted_bytes`, files whose time is over go first.
        """
        limit = self._tenant_limits.of(tenant).max_bytes
        if limit is None:
            return None
        left = limit - self._stored.usage(tenant).bytes
        if left < wanted_bytes and self._stored.expire_tenant(tenant, int(self._clock() * 1000)):
            left = limit - self._stored.usage(tenant).bytes
        return max(0, left)

    def _require(self, tenant: str, needed_bytes: int, needed_files: int) -> None:
        limits = self._tenant_limits.of(tenant)
        if limits.max_bytes is None and limits.max_files is None:
            return

        def compare() -> None:
            used = self._stored.usage(tenant)
            Allowance(
                used_bytes=used.bytes,
                used_files=used.files,
                max_bytes=limits.max_bytes,
                max_files=limits.max_files,
            ).require(Counter(), needed_bytes, needed_files)

        try:
            compare()
        except QuotaExceeded:
            if not self._stored.expire_tenant(tenant, int(self._clock() * 1000)):
                raise
            compare()
