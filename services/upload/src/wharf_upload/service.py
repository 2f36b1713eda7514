"""What the parts of the service share, put together in `app.py` and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from servicekit.logs import RequestLog
from servicekit.ratelimits import RateLimits
from servicekit.revocations import Revocations
from servicekit.tokens import Verifier
from wharf_upload.domain.limits import TenantLimits
from wharf_upload.domain.links import LinkKeys
from wharf_upload.domain.origins import Origins
from wharf_upload.domain.outages import Outage
from wharf_upload.records.base import Records
from wharf_upload.records.overview import Overview
from wharf_upload.records.uploads import SqlUploads
from wharf_upload.settings import Settings
from wharf_upload.shared_leases import SharedLeases
from wharf_upload.stores.base import BlobStore
from wharf_upload.stores.parts import Parts


@dataclass(frozen=True)
class Service:
    """The composed parts. `clock` gives unix seconds."""

    settings: Settings
    store: BlobStore
    records: Records
    uploads: SqlUploads
    leases: SharedLeases
    parts: Parts
    overview: Overview
    verifier: Verifier
    revocations: Revocations
    limits: RateLimits
    tenant_limits: TenantLimits
    link_keys: LinkKeys
    origins: Origins
    outage: Outage
    log: RequestLog
    clock: Callable[[], float]
    follower: Path
