"""The contracts of the database: what is kept, and what can be asked.

Each protocol is about one subject, so that a use case names only what it needs. Questions take the
tenant. Times are unix milliseconds, sizes are bytes. All methods raise `DatabaseUnavailable` when
the database does not answer; writes raise the kinds of `Refused` (`domain.refusals`) besides.
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
    """Buckets, their policies, and the origins that these list."""

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        """Return the bucket; `default` exists for every tenant."""

    def buckets(
        self,
        tenant: str,
        *,
        after: str = "",
        limit: int = LARGEST_PAGE,
        names: tuple[str, ...] | None = None,
    ) -> list[Bucket]:
        """Return the tenant's buckets by name, those past `after`.

        With `names`, which are in order, only those that are among them.
        """

    def put_bucket(self, bucket: Bucket) -> bool:
        """Create (true) or change (false) a bucket; raises `LimitReached`."""

    def delete_bucket(self, tenant: str, name: str) -> None:
        """Remove an empty bucket; raises `NoSuchBucket` or `BucketNotEmpty`."""

    def lists_origin(self, origin: str, tenant: str | None = None) -> bool:
        """Tell whether a bucket of the tenant lists the origin or `*`; `None`: of any tenant."""


class FileRecords(Protocol):
    """Live files."""

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """Return the live file of this key."""

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
        """Return files by key, after the key `after`; keys behind a delimiter are one prefix.

        Only keys that begin with one of `within` count: these are in order, and none begins with
        another one.
        """

    def live_files(self) -> Iterator[File]:
        """Yield all live files of all tenants, for checks and backups."""

    def announce(self) -> None:
        """Say that this thread calls `write` within milliseconds, so that others share its commit.

        The thread has to call `withdraw` afterwards, whether it has written or not.
        """

    def withdraw(self) -> None:
        """Say that this thread has written, or will not. May be called without need."""

    def write(self, write: Write) -> Stored:
        """Make files visible, durably, charged to the tenant, with their events: one commit."""

    def change(self, file: File, edit: Edit, condition: WriteCondition | None) -> File:
        """Store what `edit` makes of a file as it is by then: its name, metadata, expiry or key.

        `edit` may be called more than once. Raises `NoSuchFile`, also when another file has taken
        the key since, `KeyTaken` and `PreconditionFailed`.
        """

    def move(self, wanted: Move, place: Place) -> Stored:
        """Give a file another address: one commit, with its event; usage stays as it is.

        `place` may be called more than once, and raise. Raises `NoSuchFile`, `NoSuchBucket`,
        `KeyTaken`, `PreconditionFailed` and `IdempotencyReused`.
        """

    def delete(self, tenant: str, bucket: str, key: str, condition: WriteCondition | None) -> File:
        """Remove a file's row; raises `NoSuchFile` or `PreconditionFailed`."""

    def expire(self, now: int, limit: int) -> int:
        """Delete at most `limit` files whose time is over; return how many."""

    def expire_tenant(self, tenant: str, now: int) -> int:
        """Delete a bounded number of one tenant's files whose time is over; return how many."""


class BlobRecords(Protocol):
    """Which blobs are in use, and which wait for their deletion."""

    def known_blobs(self, names: list[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return which of these (tenant, blob) a row names: of live files or pending deletions."""

    def live_blobs(self, names: list[tuple[str, str]]) -> dict[tuple[str, str], BlobContent]:
        """Return what those of these (tenant, blob) hold that live files name."""

    def pending_deletion(self, before: int, limit: int) -> list[PendingDeletion]:
        """Return blobs that were given up before a time."""

    def forget_pending_deletions(self, blobs: list[str]) -> None:
        """Drop the rows of blobs whose bytes are gone."""


class TenantRecords(Protocol):
    """What a tenant may use, and what it uses."""

    def limits(self, tenant: str) -> Limits:
        """Return what was set for the tenant; all `None` where nothing was."""

    def put_limits(self, tenant: str, limits: Limits) -> None:
        """Set a tenant's limits, all of them."""

    def usage(self, tenant: str) -> Usage:
        """Return what the tenant has stored."""

    def purge_tenant(self, tenant: str, limit: int) -> int:
        """Remove at most `limit` rows of a tenant, of any kind; return how many, 0 at the end."""


class EventRecords(Protocol):
    """What happened to a tenant's files."""

    def events(self, tenant: str, after: int, limit: int) -> list[Event]:
        """Return the events after a number, in order; none is missing before the last one."""

    def events_before(self, tenant: str, before: int, limit: int) -> list[Event]:
        """Return the events before a number, the newest first."""

    def forget_events(self, before: int) -> int:
        """Drop what is older than a time or too much for its tenant, but each tenant's newest one.

        Return how many.
        """

    def events_dropped(self, tenant: str) -> int:
        """Return the largest number of an event that was dropped; 0 where none was."""

    def event_numbers_changed_at(self) -> int | None:
        """Return when releases stopped to give numbers as cursors, in unix milliseconds.

        `None`: no client has one.
        """


class TicketRecords(Protocol):
    """How many files each upload ticket has brought."""

    def ticket_uses(self, tenant: str, ticket: str) -> int:
        """Return how many files an upload ticket has brought."""

    def forget_ticket_uses(self, before: int) -> int:
        """Drop the counts of tickets that expired before a time; return how many."""


class UpkeepRecords(Protocol):
    """What maintenance remembers: who copies the store, and up to which hour it was swept."""

    def touch_pause(self, holder: str) -> None:
        """Say that a copier, which has a name of its own, is at work."""

    def end_pause(self, holder: str) -> None:
        """Say that a copier has ended; one that nobody knows is no error."""

    def is_paused(self, silent: int) -> bool:
        """Tell whether a copier has said something in the last `silent` milliseconds."""

    def forget_pauses(self, silent: int) -> None:
        """Drop copiers of which nothing was heard for `silent` milliseconds."""

    def swept_until(self, place: str) -> int | None:
        """Return up to when the blobs in a place were swept, in unix seconds; `None`: never."""

    def note_swept(self, place: str, until: int) -> None:
        """Remember up to when the blobs in a place are swept, in unix seconds."""

    def forget_swept(self, place: str) -> None:
        """Let all blobs in a place be swept again; one that was never swept is no error."""


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
    """All of them, on one database."""

    def forget_idempotency(self, before: int) -> int:
        """Drop remembered requests older than a time; return how many."""

    def check(self) -> str | None:
        """Return what is wrong with the database, or `None`."""


class SavedBlob(NamedTuple):
    """A blob that a row of a backup names: its size in bytes, its digest in hexadecimal digits."""

    tenant: str
    blob: str
    size: int
    sha256: str


class SavedRows(Protocol):
    """The rows of a backup, of this version or an older one: which bytes belong to it."""

    def total_bytes(self) -> int:
        """Return the bytes of all files."""

    def blobs(self) -> Iterator[SavedBlob]:
        """Yield the blob of each file."""

    def has_blob(self, tenant: str, blob: str) -> bool:
        """Tell whether a file has this blob."""

    def unfinished(self) -> Iterator[tuple[str, str]]:
        """Yield tenant and id of all unfinished uploads."""


class Overview(Protocol):
    """What all tenants use, for the operator's metrics."""

    @property
    def warning_part(self) -> float:
        """The part of a quota from which on a tenant is warned."""

    def usages(self) -> Iterator[TenantUsage]:
        """Yield what each tenant uses that ever stored something."""

    def unfinished(self) -> tuple[int, int]:
        """Return the number of resumable uploads not complete, and the bytes they reserve."""


class SharedLease(Protocol):
    """A lease of this process that holds over all replicas."""

    @property
    def was_elsewhere(self) -> bool:
        """Whether another process had it last, or may have."""

    def is_held(self) -> bool:
        """Tell whether it still is this process's."""

    def release(self) -> None:
        """End it; without the database it ends by itself a little later."""


class SharedLeases(Protocol):
    """The leases of this process that hold over all replicas."""

    def take(
        self, name: str, wanted: Callable[[], None], *, ask: bool = True
    ) -> SharedLease | None:
        """Return the lease, or `None` while another process has it.

        With `ask` that process is asked to let go. `wanted` is called, in another thread, when
        another process wants the lease.
        """

    def holds(self, name: str) -> bool:
        """Tell whether this process has it, as far as it knows."""

    def forget_old(self) -> int:
        """Drop the rows of leases that ended long ago; return how many."""
