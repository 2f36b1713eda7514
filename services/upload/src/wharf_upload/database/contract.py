"""The contracts of the database: the data that it stores, and the queries that it answers.

Each protocol covers one subject, so that a use case depends only on the parts that it needs.
Methods that concern one tenant take its name. Times are unix milliseconds, sizes are bytes. Methods
raise `DatabaseUnavailable` when the database does not respond. Writes also raise the subclasses of
`Refused` (`domain.refusals`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from wharf_upload.database.link_contract import LinkKeyRecords, LinkRecords
from wharf_upload.domain.buckets import LARGEST_PAGE, Bucket
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.events import Event
from wharf_upload.domain.file_writes import Move, Place, Stored, Write
from wharf_upload.domain.files import BlobContent, Edit, File, Page, PendingDeletion
from wharf_upload.domain.quotas import TenantUsage, Usage
from wharf_upload.domain.tenant_limits import Limits


class BucketRecords(Protocol):
    """Buckets, their policies, and the origins that the policies list."""

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        """Return the bucket, or `None` if it does not exist.

        Every tenant has the bucket `default`.
        """

    def buckets(
        self,
        tenant: str,
        *,
        after: str = "",
        limit: int = LARGEST_PAGE,
        names: tuple[str, ...] | None = None,
    ) -> list[Bucket]:
        """Return the tenant's buckets after the name `after`, in order of their names.

        `names` limits the result to buckets with these names; `names` must be sorted.
        """

    def put_bucket(self, bucket: Bucket) -> bool:
        """Store a bucket and its policy; return whether the bucket is new.

        Raises `LimitReached`.
        """

    def delete_bucket(self, tenant: str, name: str) -> None:
        """Remove a bucket that has no live files; raises `NoSuchBucket` or `BucketNotEmpty`."""

    def lists_origin(self, origin: str, tenant: str | None = None) -> bool:
        """Tell whether a bucket of the tenant lists the origin or `*`; `None` means any tenant."""


class FileRecords(Protocol):
    """Files: their listing, and the writes that create, change, move and delete them."""

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """Return the file with this key, or `None`; the file may have expired."""

    def list_files(
        self,
        tenant: str,
        bucket: str,
        *,
        prefix: str,
        delimiter: str,
        after: str,
        limit: int,
        within: Sequence[str] = ("",),
    ) -> Page:
        """Return a page of files after the key `after`, in order of their keys.

        All keys with the same part up to the first `delimiter` after `prefix` are one entry, a
        prefix. Only keys that begin with one of the prefixes `within` count; `within` is sorted,
        and no prefix in it begins with another one.
        """

    def live_files(self) -> Iterator[File]:
        """Yield all files of all tenants, even expired ones, for checks and backups."""

    def announce(self) -> None:
        """Announce that this thread calls `write` within milliseconds.

        The leader of a group commit waits for announced threads, so that they share one commit. The
        thread must call `withdraw` afterwards, whether it has written or not.
        """

    def withdraw(self) -> None:
        """Withdraw the announcement of this thread; has no effect if the thread has none."""

    def write(self, write: Write) -> Stored:
        """Make files visible in one durable commit; store their events and the new usage."""

    def change(self, file: File, edit: Edit, condition: WriteCondition | None) -> File:
        """Change a file's name, metadata, expiry or key: apply `edit` to its current state.

        `edit` may be called more than once. Raises `NoSuchFile`, even when another file has taken
        the key since the caller read the file. Raises `KeyTaken` and `PreconditionFailed`.
        """

    def move(self, wanted: Move, place: Place) -> Stored:
        """Move a file to another address in one commit, with its event.

        The usage changes only if the move replaces a file or removes an expired one at the target.
        `place` may be called more than once, and may raise. Raises `NoSuchFile`, `NoSuchBucket`,
        `KeyTaken`, `PreconditionFailed` and `IdempotencyReused`.
        """

    def delete(self, tenant: str, bucket: str, key: str, condition: WriteCondition | None) -> File:
        """Delete a file's row and return the file; raises `NoSuchFile` or `PreconditionFailed`."""

    def expire(self, now: int, limit: int) -> int:
        """Delete at most `limit` expired files; return how many were deleted."""

    def expire_tenant(self, tenant: str, now: int) -> int:
        """Delete a bounded number of one tenant's expired files; return how many were deleted."""


class BlobRecords(Protocol):
    """The blobs that are in use, and the blobs that wait for deletion."""

    def known_blobs(self, names: list[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those of the given (tenant, blob) pairs that a file or pending deletion names."""

    def live_blobs(self, names: list[tuple[str, str]]) -> dict[tuple[str, str], BlobContent]:
        """Return size and digest of those of the given (tenant, blob) pairs that a file names."""

    def pending_deletion(self, before: int, limit: int) -> list[PendingDeletion]:
        """Return at most `limit` blobs of files that were deleted or replaced before a time."""

    def forget_pending_deletions(self, blobs: list[str]) -> None:
        """Delete the rows of blobs after their bytes were removed."""


class TenantRecords(Protocol):
    """The limits and the usage of tenants."""

    def limits(self, tenant: str) -> Limits:
        """Return the limits that were set for the tenant; a limit that was not set is `None`."""

    def put_limits(self, tenant: str, limits: Limits) -> None:
        """Replace all limits of a tenant."""

    def usage(self, tenant: str) -> Usage:
        """Return the bytes and files that the tenant stores or reserves for resumable uploads."""

    def purge_tenant(self, tenant: str, limit: int) -> int:
        """Remove at most `limit` rows of a tenant; the last step removes all rows of small tables.

        Return the number of removed rows; 0 means that only pending deletions are left.
        """


class EventRecords(Protocol):
    """The events of tenants: what happened to their files and quotas."""

    def events(self, tenant: str, after: int, limit: int) -> list[Event]:
        """Return the first `limit` events with a number above `after`, in order, without a gap."""

    def event(self, tenant: str, seq: int) -> Event | None:
        """Return the event with a number, or `None`."""

    def events_before(self, tenant: str, before: int, limit: int) -> list[Event]:
        """Return the last `limit` events with a number below `before`, the newest first."""

    def forget_events(self, before: int) -> int:
        """Delete events that are older than a time or exceed a tenant's limit; return how many.

        The newest event of each tenant always stays.
        """

    def events_dropped(self, tenant: str) -> int:
        """Return the largest number of a deleted event, or 0 if no event was deleted."""

    def event_numbers_changed_at(self) -> int | None:
        """Return when this service stopped using event numbers as cursors, in unix milliseconds.

        `None` means that no client has a number as a cursor.
        """


class TicketRecords(Protocol):
    """The numbers of files that clients have uploaded with upload tickets that limit files."""

    def ticket_uses(self, tenant: str, ticket: str) -> int:
        """Return how many files clients have uploaded with an upload ticket that limits files.

        Return 0 for a ticket without `max_files`, because its files are not counted.
        """

    def forget_ticket_uses(self, before: int) -> int:
        """Delete the counts of tickets that expired before a time; return how many were deleted."""


class UpkeepRecords(Protocol):
    """State of maintenance: the processes that copy the store, and the hours that were swept."""

    def touch_pause(self, holder: str) -> None:
        """Record that a copier is running; `holder` is a name that only this copier has."""

    def end_pause(self, holder: str) -> None:
        """Record that a copier has ended; an unknown `holder` is no error."""

    def is_paused(self, silent: int) -> bool:
        """Tell whether a copier has called `touch_pause` in the last `silent` milliseconds."""

    def forget_pauses(self, silent: int) -> None:
        """Delete the copiers that have not called `touch_pause` for `silent` milliseconds."""

    def swept_until(self, place: str) -> int | None:
        """Return the time up to which the blobs in a place were swept, in unix seconds.

        `None` means that they were never swept.
        """

    def note_swept(self, place: str, until: int) -> None:
        """Record the time up to which the blobs in a place were swept, in unix seconds."""

    def forget_swept(self, place: str) -> None:
        """Mark all blobs in a place as not swept; a place that was never swept is no error."""


class Records(
    BucketRecords,
    FileRecords,
    BlobRecords,
    TenantRecords,
    EventRecords,
    TicketRecords,
    LinkKeyRecords,
    LinkRecords,
    UpkeepRecords,
    Protocol,
):
    """All records of one database."""

    def forget_idempotency(self, before: int) -> int:
        """Delete stored idempotency keys older than a time; return how many were deleted."""

    def check(self) -> str | None:
        """Return a description of the error in the database's schema, or `None`."""


class SavedBlob(NamedTuple):
    """A blob that a row of a backup names: its size in bytes, its digest in hexadecimal digits."""

    tenant: str
    blob: str
    size: int
    sha256: str


class SavedRows(Protocol):
    """The files and unfinished uploads in the rows of a backup of this version or an older one."""

    def total_bytes(self) -> int:
        """Return the total size of all files in bytes."""

    def blobs(self) -> Iterator[SavedBlob]:
        """Yield the blob of each file."""

    def has_blob(self, tenant: str, blob: str) -> bool:
        """Tell whether a file has this blob."""

    def unfinished(self) -> Iterator[tuple[str, str]]:
        """Yield tenant and id of all unfinished uploads."""

    def sealing_keys(self) -> list[str]:
        """Return the ids of the keys that seal the secrets of the rows, in order."""


class Overview(Protocol):
    """The usage of all tenants, for the operator's metrics."""

    @property
    def warning_part(self) -> float:
        """Return the share of a quota (0 to 1) at which the service warns a tenant."""

    def usages(self) -> Iterator[TenantUsage]:
        """Yield the usage of each tenant that has a row in the table `usage`."""

    def unfinished(self) -> tuple[int, int]:
        """Return the number of unfinished resumable uploads, and the bytes that they reserve."""


class SharedLease(Protocol):
    """A lease that this process holds and that excludes all other processes of all replicas."""

    @property
    def was_elsewhere(self) -> bool:
        """Tell whether another process held the lease last, or may have held it."""

    def is_held(self) -> bool:
        """Tell whether this process still holds the lease."""

    def release(self) -> None:
        """Release the lease.

        While the database is unavailable, the lease expires a little later.
        """


class SharedLeases(Protocol):
    """The leases of this process that exclude all other processes of all replicas."""

    def take(
        self, name: str, wanted: Callable[[], None], *, ask: bool = True
    ) -> SharedLease | None:
        """Return the lease, or `None` while another process holds it.

        With `ask`, the call asks the other process to release the lease. A background thread calls
        `wanted` when another process wants the lease.
        """

    def holds(self, name: str) -> bool:
        """Tell whether this process holds the lease, as far as it knows."""

    def forget_old(self) -> int:
        """Delete the rows of leases that ended long ago; return how many were deleted."""
