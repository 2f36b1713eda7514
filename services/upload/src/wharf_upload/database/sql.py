"""The records in SQLite or PostgreSQL."""

from __future__ import annotations

from servicekit.database import Database, revisions
from wharf_upload.database.blobs import SqlBlobs
from wharf_upload.database.buckets import SqlBuckets
from wharf_upload.database.deliveries import SqlDeliveries
from wharf_upload.database.endpoints import SqlEndpoints
from wharf_upload.database.events import SqlEvents
from wharf_upload.database.fan_out import SqlFanOut
from wharf_upload.database.files import SqlFiles
from wharf_upload.database.group_commit import (
    AfterCommit,
    BeforeCommit,
    GroupCommit,
    HasEvents,
)
from wharf_upload.database.jobs import SqlJobs
from wharf_upload.database.kept_jobs import SqlKeptJobs
from wharf_upload.database.link_keys import SqlLinkKeys
from wharf_upload.database.links import SqlLinks
from wharf_upload.database.overview import SqlOverview
from wharf_upload.database.retention import forget
from wharf_upload.database.tenants import SqlTenants
from wharf_upload.database.ticket_uses import SqlTicketUses
from wharf_upload.database.upkeep import SqlUpkeep
from wharf_upload.database.uploads import SqlUploads
from wharf_upload.database.webhook_contract import WebhookRecords
from wharf_upload.domain.quotas import Quota

# The identifier of the last migration, and the table in which the database stores it.
SCHEMA, VERSION_TABLE = "0016", "alembic_version"


class SqlRecords(
    SqlBuckets,
    SqlFiles,
    SqlBlobs,
    SqlTenants,
    SqlEvents,
    SqlTicketUses,
    SqlLinkKeys,
    SqlLinks,
    SqlUpkeep,
):
    """Implements `contract.Records`; `uploads`, `overview` and the jobs use the same database.

    `before_commit` makes blobs' names durable before the rows that name them. `after_commit`
    receives the events of files, and `has_events` the name of each tenant with new events of any
    kind. `quota` applies to tenants without their own limits.
    """

    def __init__(
        self,
        database: Database,
        before_commit: BeforeCommit | None = None,
        after_commit: AfterCommit | None = None,
        quota: Quota | None = None,
        has_events: HasEvents | None = None,
    ) -> None:
        group = GroupCommit(database, before_commit, after_commit, quota, has_events)
        super().__init__(database, group)
        self.database = database
        self.uploads = SqlUploads(database, self._group)
        self.overview = SqlOverview(database, quota)
        self.jobs = SqlJobs(database, self._group)
        self.kept_jobs = SqlKeptJobs(database, self._group)
        self.endpoints = SqlEndpoints(database, self._group)
        self.deliveries = SqlDeliveries(database, self._group)
        self.fan_out = SqlFanOut(database, self._group)
        self.webhooks = WebhookRecords(self.endpoints, self.deliveries, self.fan_out)

    def forget_idempotency(self, before: int) -> int:
        """Delete stored idempotency keys older than a time; return how many were deleted."""
        return forget(self._database, "idempotency", "created_at", "tenant, subject, key", before)

    def check(self) -> str | None:
        """Return a description of the error in the database's schema, or `None`."""
        reading = self._database.reading()
        return revisions.error(reading, VERSION_TABLE, SCHEMA, "wharf-upload migrate")
