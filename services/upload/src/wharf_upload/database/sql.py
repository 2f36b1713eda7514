"""The records in SQLite or PostgreSQL."""

from __future__ import annotations

from servicekit.database import Database, revisions
from wharf_upload.database.blobs import SqlBlobs
from wharf_upload.database.buckets import SqlBuckets
from wharf_upload.database.events import SqlEvents
from wharf_upload.database.files import SqlFiles
from wharf_upload.database.group_commit import (
    AfterCommit,
    BeforeCommit,
    GroupCommit,
    HasEvents,
)
from wharf_upload.database.link_keys import SqlLinkKeys
from wharf_upload.database.links import SqlLinks
from wharf_upload.database.overview import SqlOverview
from wharf_upload.database.retention import forget
from wharf_upload.database.tenants import SqlTenants
from wharf_upload.database.ticket_uses import SqlTicketUses
from wharf_upload.database.upkeep import SqlUpkeep
from wharf_upload.database.uploads import SqlUploads
from wharf_upload.domain.quotas import Quota

# What the last of the migrations is called, and where the database remembers it.
SCHEMA, VERSION_TABLE = "0014", "alembic_version"


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
    """Implements `contract.Records`; `uploads` and `overview` are on the same database.

    `before_commit` makes blobs' names durable ahead of the rows that point to them;
    `after_commit` hears what has happened to files, `has_events` of each tenant that has new
    events of any kind; `quota` holds where nothing else is set.
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

    def forget_idempotency(self, before: int) -> int:
        """Drop remembered requests older than a time; return how many."""
        return forget(self._database, "idempotency", "created_at", "tenant, subject, key", before)

    def check(self) -> str | None:
        """Return what is wrong with the database, or `None`."""
        reading = self._database.reading()
        return revisions.error(reading, VERSION_TABLE, SCHEMA, "wharf-upload migrate")
