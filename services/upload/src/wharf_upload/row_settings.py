"""Settings that limit how many rows a tenant may have in addition to the rows of its files."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit.settings import setting
from wharf_upload.domain.row_limits import RowLimits


@dataclass(frozen=True, kw_only=True)
class RowSettings:
    """The settings for limits of rows."""

    tenant_max_buckets: int = setting(
        1000,
        doc="The number of buckets of a tenant. The bucket `default` does not count.",
        minimum=1,
    )
    tenant_max_open_uploads: int = setting(
        10_000,
        doc="The number of resumable uploads of a tenant that may be under way. Parts of final "
        "uploads count, too.",
        minimum=1,
    )
    tenant_max_events: int = setting(
        1_000_000,
        doc=(
            "The number of events of a tenant that Wharf keeps. Wharf removes the oldest "
            "events. Each process checks the number whenever it has added a hundredth of this "
            "number of events."
        ),
        minimum=1000,
    )
    tenant_max_idempotency_keys: int = setting(
        100_000,
        doc=(
            "The number of values of `Idempotency-Key` of a tenant that Wharf remembers at the"
            " same time. Wharf also remembers the same number of resumable uploads that have "
            "become files, and removes the oldest of these uploads."
        ),
        minimum=1,
    )
    tenant_max_links: int = setting(
        100_000,
        doc="The number of signed links of a tenant that are kept at the same time. Expired "
        "links count until the worker has removed them.",
        minimum=1,
    )
    idempotency_seconds: int = setting(
        24 * 3600, doc="How long an `Idempotency-Key` is stored, in seconds.", minimum=60
    )

    @property
    def row_limits(self) -> RowLimits:
        """Return the limits of rows, for the records."""
        return RowLimits(
            buckets=self.tenant_max_buckets,
            open_uploads=self.tenant_max_open_uploads,
            events=self.tenant_max_events,
            idempotency_keys=self.tenant_max_idempotency_keys,
            links=self.tenant_max_links,
            idempotency_seconds=self.idempotency_seconds,
        )
