"""The contract of the records: what is kept, what can be asked, which errors there are.

Every question takes the tenant. Times are unix milliseconds, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import msgspec

from wharf_upload.domain.conditions import WriteCondition

DEFAULT_BUCKET = "default"
OnConflict = Literal["replace", "rename", "error"]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a bucket takes. `None` and empty mean no rule beyond the service's own.

    A newer release may have stored members that this one does not know: they are not read (ADR 34).
    """

    public: bool = False
    max_file_bytes: int | None = None
    allowed_types: tuple[str, ...] = ()
    # In lower case, without the leading dot; "tar.gz" is one.
    allowed_extensions: tuple[str, ...] = ()
    expire_after_seconds: int | None = None
    # As browsers send them in `Origin`.
    cors_origins: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant may use. As it is stored, `None` is the default of the settings; as it holds
    (`domain.limits.TenantLimits`), `None` is no limit.

    `requests_per_minute` is of the whole tenant, `client_requests_per_minute` of each client of it.
    """

    max_bytes: int | None = None
    max_files: int | None = None
    max_file_bytes: int | None = None
    requests_per_minute: int | None = None
    client_requests_per_minute: int | None = None
    bytes_per_minute: int | None = None
    concurrent_uploads: int | None = None

    def over(self, defaults: Limits) -> Limits:
        """These, and the defaults where there is none."""
        chosen = {
            name: getattr(defaults, name) if getattr(self, name) is None else getattr(self, name)
            for name in self.__struct_fields__
        }
        return Limits(**chosen)


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket and its policy."""

    tenant: str
    name: str
    policy: Policy
    created_at: int


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it stands in the records. `sha256` is in hexadecimal digits.

    `active`: the bytes hold what could act if a browser took them for another type, so they are
    never shown inline (`sniffing.active_content`).
    """

    id: str
    tenant: str
    bucket: str
    key: str
    blob: str
    size: int
    sha256: str
    media_type: str
    declared_type: str | None
    filename: str
    owner: str
    state: str = "available"
    metadata: dict[str, str] = {}
    created_at: int
    expires_at: int | None = None
    active: bool = False

    def is_expired(self, now_milliseconds: int) -> bool:
        """Whether the file's time is over: from that moment on it does not exist."""
        return self.expires_at is not None and self.expires_at <= now_milliseconds

    @property
    def etag(self) -> str:
        """The strong entity tag (RFC 9110 section 8.8.3): the content's digest."""
        return f'"{self.sha256}"'


# What a change makes of a file.
Edit = Callable[[File], File]


class Idempotency(msgspec.Struct, frozen=True, kw_only=True):
    """A client's `Idempotency-Key`; `fingerprint` tells whether the request is the same one."""

    subject: str
    key: str
    fingerprint: str


class TicketUse(msgspec.Struct, frozen=True, kw_only=True):
    """The upload ticket of a write: `id` is its token's, `prefix` what keys have to begin with,
    those that the records choose as well. Files are counted where `max_files` limits them, until
    some time after `expires_at`.
    """

    id: str
    max_files: int | None
    prefix: str
    expires_at: int


class UploadEnd(msgspec.Struct, frozen=True, kw_only=True):
    """A resumable upload that ends with the write; what it and its `parts` reserved is given back.

    It is remembered until `expires_at`, for clients that did not get the answer.
    """

    id: str
    parts: tuple[str, ...]
    expires_at: int


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """Files that become visible together, or not at all. All are of one tenant and bucket."""

    files: tuple[File, ...]
    on_conflict: OnConflict = "replace"
    condition: WriteCondition | None = None
    idempotency: Idempotency | None = None
    ticket: TicketUse | None = None
    upload: UploadEnd | None = None


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a write: the files under their final keys, and which of them are new."""

    files: tuple[File, ...]
    created: tuple[bool, ...]
    replayed: bool = False


class Refused(Exception):
    """A write or deletion that the records do not take; nothing was changed."""


class UploadGone(Refused):
    """The resumable upload was removed while a request worked on it."""


class PreconditionFailed(Refused):
    """`If-Match` or `If-None-Match` does not hold."""


class KeyTaken(Refused):
    """There is a file of this key and the caller wants no replacement."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class IdempotencyReused(Refused):
    """The key was used for another request."""


class TicketUsedUp(Refused):
    """The ticket has brought, or would bring, more files than it may."""

    def __init__(self, max_files: int) -> None:
        super().__init__(f"The ticket is good for {max_files} files.")
        self.max_files = max_files


class NoSuchBucket(Refused):
    """The bucket does not exist (any more)."""


class NoSuchFile(Refused):
    """The file does not exist (any more)."""


class QuotaExceeded(Refused):
    """The tenant may not store so much more; `None` is no limit.

    `needed_bytes` and `needed_files` are what would be added, with what is replaced given back.
    """

    def __init__(
        self,
        *,
        used_bytes: int,
        limit_bytes: int | None,
        needed_bytes: int,
        used_files: int,
        limit_files: int | None,
        needed_files: int,
    ) -> None:
        super().__init__("the tenant's quota is used up")
        self.numbers = {
            "used_bytes": used_bytes,
            "limit_bytes": limit_bytes,
            "needed_bytes": needed_bytes,
            "used_files": used_files,
            "limit_files": limit_files,
            "needed_files": needed_files,
        }


class BucketNotEmpty(Refused):
    """The bucket holds files."""


class Page(msgspec.Struct, frozen=True):
    """A page of a listing; `next_after` is where the next one starts, `None` at the end."""

    files: tuple[File, ...]
    prefixes: tuple[str, ...]
    next_after: str | None


class Usage(msgspec.Struct, frozen=True):
    """What a tenant has stored."""

    bytes: int
    files: int


class Doomed(msgspec.Struct, frozen=True):
    """A blob whose file was deleted or replaced at `doomed_at`."""

    tenant: str
    blob: str
    doomed_at: int


class QuotaWarning(msgspec.Struct, frozen=True, kw_only=True):
    """Of which quotas (`bytes`, `files`) so many percent are in use now, and the numbers."""

    crossed: tuple[str, ...]
    percent: int
    used_bytes: int
    limit_bytes: int | None
    used_files: int
    limit_files: int | None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened: `kind` is `file.created`, `file.replaced`, `file.changed`, `file.deleted` or
    `file.expired`, with the file as it is or was, or `quota.warning` with the numbers. Kinds of
    newer releases have a file where their names begin with `file.`, and else neither.
    """

    seq: int
    kind: str
    at: int
    file: File | None = None
    warning: QuotaWarning | None = None


class Records(Protocol):
    """Raises `Refused` kinds, and `DatabaseUnavailable` when the database does not answer."""

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        """The bucket; `default` exists for every tenant."""

    def buckets(self, tenant: str) -> list[Bucket]:
        """The tenant's buckets by name."""

    def put_bucket(self, bucket: Bucket) -> bool:
        """Creates (true) or changes (false) a bucket."""

    def delete_bucket(self, tenant: str, name: str) -> None:
        """Raises `NoSuchBucket` or `BucketNotEmpty`."""

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """The live file of this key."""

    def announce(self) -> None:
        """Says that this thread will `write` within milliseconds, so that others share its commit.

        Whether it does or not, it has to call `withdraw` afterwards.
        """

    def withdraw(self) -> None:
        """Says that this thread has written, or will not. May be called without need."""

    def write(self, write: Write) -> Stored:
        """Makes files visible, durably, charged to the tenant, with their events: one commit."""

    def change(self, file: File, edit: Edit, condition: WriteCondition | None) -> File:
        """Stores what `edit` makes of a file as it is by then: its name, metadata, expiry or key.

        `edit` may be called more than once. Raises `NoSuchFile`, also when another file has taken
        the key since, `KeyTaken` and `PreconditionFailed`.
        """

    def delete(self, tenant: str, bucket: str, key: str, condition: WriteCondition | None) -> File:
        """Removes a file's row; raises `NoSuchFile` or `PreconditionFailed`."""

    def list_files(
        self, tenant: str, bucket: str, *, prefix: str, delimiter: str, after: str, limit: int
    ) -> Page:
        """Files by key, after the key `after`; what lies behind a delimiter is one prefix."""

    def expire(self, now: int, limit: int) -> int:
        """Deletes files whose time is over, at most `limit`; how many."""

    def expire_tenant(self, tenant: str, now: int) -> int:
        """Deletes files of one tenant whose time is over, a bounded number; how many."""

    def limits(self, tenant: str) -> Limits:
        """What was set for the tenant; all `None` where nothing was."""

    def put_limits(self, tenant: str, limits: Limits) -> None:
        """Sets a tenant's limits, all of them."""

    def events(self, tenant: str, after: int, limit: int) -> list[Event]:
        """The tenant's events after a number, in order; none is missing before the last one."""

    def forget_events(self, before: int) -> int:
        """Drops events older than a time, but each tenant's newest one; how many."""

    def purge_tenant(self, tenant: str, limit: int) -> int:
        """Removes at most `limit` rows of a tenant, whatever they are; how many, 0 at the end."""

    def usage(self, tenant: str) -> Usage:
        """What the tenant has stored."""

    def known_blobs(self, names: list[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these (tenant, blob) a row names: live files and doomed ones."""

    def doomed(self, before: int, limit: int) -> list[Doomed]:
        """Blobs that were given up before a time."""

    def forget_doomed(self, blobs: list[str]) -> None:
        """Their bytes are gone."""

    def ticket_uses(self, tenant: str, ticket: str) -> int:
        """How many files an upload ticket has brought."""

    def forget_ticket_uses(self, before: int) -> int:
        """Drops the counts of tickets that expired before a time; how many."""

    def forget_idempotency(self, before: int) -> int:
        """Drops remembered requests older than a time; how many."""

    def live_files(self) -> Iterator[File]:
        """All live files of all tenants, for checks and backups."""

    def link_key(self, tenant: str, *, create: bool = False) -> bytes | None:
        """The secret that the tenant's links are signed with; `create`: made when there is none."""

    def rotate_link_key(self, tenant: str) -> None:
        """Gives the tenant a new secret: every link signed so far is void."""

    def lists_origin(self, bucket: str | None, origin: str, tenant: str | None = None) -> bool:
        """Whether a bucket of this name (`None`: any) lists the origin or `*`; of this tenant, or
        where that is `None`, of whichever.
        """

    def check(self) -> str | None:
        """What is wrong with the database, or `None`."""
