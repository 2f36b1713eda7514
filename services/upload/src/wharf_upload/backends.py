"""The interface of the backends: the store of bytes and the database of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wharf_upload.database.contract import Overview, Records, SharedLeases
from wharf_upload.database.job_contract import JobRecords, KeptJobs
from wharf_upload.database.room_contract import Reservations
from wharf_upload.database.upload_contract import UploadRecords
from wharf_upload.database.webhook_contract import WebhookRecords
from wharf_upload.storage.base import BlobStore
from wharf_upload.storage.partial_uploads import PartialUploadStore


class Backends(Protocol):
    """The store and the database; a process opens them once for all its parts."""

    @property
    def store(self) -> BlobStore: ...

    @property
    def records(self) -> Records: ...

    @property
    def uploads(self) -> UploadRecords: ...

    @property
    def jobs(self) -> JobRecords: ...

    @property
    def kept_jobs(self) -> KeptJobs: ...

    @property
    def webhooks(self) -> WebhookRecords: ...

    @property
    def parts(self) -> PartialUploadStore: ...

    @property
    def overview(self) -> Overview: ...

    @property
    def leases(self) -> SharedLeases: ...

    @property
    def reservations(self) -> Reservations: ...


@dataclass(frozen=True)
class OpenBackends:
    """Implements `Backends` by opened parts."""

    store: BlobStore
    records: Records
    uploads: UploadRecords
    jobs: JobRecords
    kept_jobs: KeptJobs
    webhooks: WebhookRecords
    parts: PartialUploadStore
    overview: Overview
    leases: SharedLeases
    reservations: Reservations
