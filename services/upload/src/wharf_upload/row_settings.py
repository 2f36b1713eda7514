"""Settings of the rows that a tenant may make beside its files."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit.settings import setting
from wharf_upload.domain.row_limits import RowLimits


@dataclass(frozen=True, kw_only=True)
class RowSettings:
    """The part of the settings that is about rows."""

    tenant_max_buckets: int = setting(
        1000, doc="Buckets that a tenant may have; `default` does not count.", minimum=1
    )
    tenant_max_open_uploads: int = setting(
        10_000,
        doc="Resumable uploads of a tenant that may be under way; parts count, too.",
        minimum=1,
    )
    tenant_max_events: int = setting(
        1_000_000,
        doc="Events of a tenant that are kept; the oldest go. Each process looks after each "
        "hundredth part of that.",
        minimum=1000,
    )
    tenant_max_idempotency_keys: int = setting(
        100_000,
        doc="Values of `Idempotency-Key` that are remembered of a tenant at the same time; and as "
        "many resumable uploads that have become files, of which the oldest go.",
        minimum=1,
    )
    tenant_max_links: int = setting(
        100_000,
        doc="Signed links of a tenant that are kept at the same time; those that have expired "
        "count until the worker has removed them.",
        minimum=1,
    )
    idempotency_seconds: int = setting(
        24 * 3600, doc="How long an `Idempotency-Key` is remembered, in seconds.", minimum=60
    )

    @property
    def row_limits(self) -> RowLimits:
        """The limits of rows, for the records."""
        return RowLimits(
            buckets=self.tenant_max_buckets,
            open_uploads=self.tenant_max_open_uploads,
            events=self.tenant_max_events,
            idempotency_keys=self.tenant_max_idempotency_keys,
            links=self.tenant_max_links,
            idempotency_seconds=self.idempotency_seconds,
        )
