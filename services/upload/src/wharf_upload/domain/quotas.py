"""A first look at the tenant's quota, before a large body comes; the commit decides.

Small bodies come along with their request, so for them there is no such look.
"""

from __future__ import annotations

from collections import Counter

from wharf_upload.domain.admission import FORM_OVERHEAD_BYTES
from wharf_upload.domain.uploads import Intent
from wharf_upload.records.base import QuotaExceeded
from wharf_upload.records.quotas import Allowance
from wharf_upload.service import Service


def require_for_file(service: Service, intent: Intent, length: int | None) -> None:
    """Raises `QuotaExceeded` when a body of `length` bytes cannot be stored under its key."""
    if intent.idempotency is not None:
        # It may be a repetition of what is stored already, which costs nothing.
        return
    try:
        _require(service, intent.tenant, length or 0, 1)
    except QuotaExceeded:
        old = service.records.file(intent.tenant, intent.bucket, intent.key)
        if old is None:
            raise
        _require(service, intent.tenant, (length or 0) - old.size, 0)


def require_for_form(service: Service, tenant: str, length: int | None) -> None:
    """Raises `QuotaExceeded` when a form of `length` bytes cannot be stored.

    Nobody knows yet whether its files replace others: they are taken for new ones.
    """
    _require(service, tenant, max(0, (length or 0) - FORM_OVERHEAD_BYTES), 1)


def _require(service: Service, tenant: str, needed_bytes: int, needed_files: int) -> None:
    limits = service.tenant_limits.of(tenant)
    if limits.max_bytes is None and limits.max_files is None:
        return

    def look() -> None:
        used = service.records.usage(tenant)
        Allowance(
            used_bytes=used.bytes,
            used_files=used.files,
            max_bytes=limits.max_bytes,
            max_files=limits.max_files,
        ).require(Counter(), needed_bytes, needed_files)

    try:
        look()
    except QuotaExceeded:
        if not service.records.expire_tenant(tenant, int(service.clock() * 1000)):
            raise
        look()
