"""The JSON that the API speaks. To add a field to a file's JSON: here, and in `of_file`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.events import Event
from wharf_upload.domain.files import File, FileAddress
from wharf_upload.domain.quotas import QuotaWarning
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.http.event_cursors import Cursor
from wharf_upload.http.file_paths import UPLOADS, path_of
from wharf_upload.uploads.resumable.under_way import UnderWay
from wharf_upload.uploads.slices.fields import Slice

METADATA = "/v1/metadata/"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Links(msgspec.Struct, frozen=True):
    """Where the file can be reached: paths on this host."""

    content: str
    metadata: str


class FileDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A file. `size` is in bytes, `sha256` in hexadecimal digits, times are RFC 3339 UTC."""

    id: str
    bucket: str
    key: str
    filename: str
    size: int
    sha256: str
    media_type: str
    declared_type: str | None
    etag: str
    state: str
    metadata: dict[str, str]
    created_at: datetime
    expires_at: datetime | None
    links: Links


class Files(msgspec.Struct, frozen=True):
    """The files that a form brought."""

    files: tuple[FileDocument, ...]


class SliceDocument(msgspec.Struct, frozen=True):
    """A slice that is kept: `index` (from 0) of `count` slices of a file of `size` bytes.

    The others are awaited until `expires_at`; the answer to the last one has the file.
    """

    index: int
    count: int
    size: int
    expires_at: datetime


class Listing(msgspec.Struct, frozen=True):
    """A page of a bucket; `next_cursor` gets the next one, null at the end."""

    files: tuple[FileDocument, ...]
    prefixes: tuple[str, ...]
    next_cursor: str | None


class UploadLinks(msgspec.Struct, frozen=True):
    """Where the upload goes on and is ended; null where its bytes come in forms alone."""

    upload: str | None


class UploadDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An upload that has become no file yet.

    `key` is null for a part of another upload that has no name of its own. `offset` bytes of
    `length` (null: not known yet) are there; it is null while another replica that shares no folder
    with this one has them. `subject` is the user or client that sends it; with
    `by_ticket`, the one whose ticket it was begun with.
    """

    id: str
    bucket: str
    key: str | None
    offset: int | None
    length: int | None
    protocol: Literal["tus", "ietf", "slices"]
    subject: str
    by_ticket: bool
    created_at: datetime
    expires_at: datetime
    links: UploadLinks


class Uploads(msgspec.Struct, frozen=True):
    """A page of uploads; `next_cursor` gets the next one, null at the end."""

    uploads: tuple[UploadDocument, ...]
    next_cursor: str | None


class TicketDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What an upload ticket allows: to `key`, or to keys that begin with `prefix`.

    `max_file_bytes` is the smallest of all limits that hold. `allowed_types` are the ticket's, or
    where it names none, the bucket's. `files` of `max_files` (null: not counted) have come.
    """

    tenant: str
    bucket: str
    key: str | None
    prefix: str | None
    methods: tuple[Literal["PUT", "POST"], ...]
    max_file_bytes: int
    allowed_types: tuple[str, ...]
    allowed_extensions: tuple[str, ...]
    max_files: int | None
    files: int
    expires_at: datetime


class BucketDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket and its policy."""

    name: str
    public: bool
    max_file_bytes: int | None
    allowed_types: tuple[str, ...]
    allowed_extensions: tuple[str, ...]
    expire_after_seconds: int | None
    cors_origins: tuple[str, ...]
    created_at: datetime


class Buckets(msgspec.Struct, frozen=True):
    """A page of buckets by name; `next_cursor` gets the next one, null at the end."""

    buckets: tuple[BucketDocument, ...]
    next_cursor: str | None = None


class UsageDocument(msgspec.Struct, frozen=True):
    """What the tenant has stored, bytes and number of files, and what it may; null: no limit."""

    bytes: int
    files: int
    allowed: Limits


class LimitsDocument(msgspec.Struct, frozen=True):
    """A tenant's limits as they were set (null: the default) and as they hold (null: no limit)."""

    tenant: str
    limits: Limits
    effective: Limits


class EventDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. `id` is a cursor, which `after` and `before` take; two can be equal, and
    nothing else can be told of them. `file` is the file as it is or was; `quota` is there for
    `quota.warning`, and `moved_from` for `file.moved`, and for `file.changed` where the key is
    another one.
    """

    id: Cursor
    kind: str
    at: datetime
    file: FileDocument | None
    quota: QuotaWarning | None
    moved_from: FileAddress | None = None


class Events(msgspec.Struct, frozen=True):
    """Events in order; `next_after` is what to ask for next.

    With the newest first, `next_before` gets the ones before them, and is null when there are none.
    `missed` is true where events after `after` are gone that this reader has not had.
    """

    events: tuple[EventDocument, ...]
    next_after: Cursor
    next_before: Cursor | None = None
    missed: bool = False


def moment(milliseconds: int) -> datetime:
    """Unix milliseconds as a time."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def of_file(file: File) -> FileDocument:
    """A file's JSON."""
    return FileDocument(
        id=file.id,
        bucket=file.bucket,
        key=file.key,
        filename=file.filename,
        size=file.size,
        sha256=file.sha256,
        media_type=file.media_type,
        declared_type=file.declared_type,
        etag=file.etag,
        state=file.state,
        metadata=file.metadata,
        created_at=moment(file.created_at),
        expires_at=None if file.expires_at is None else moment(file.expires_at),
        links=Links(path_of(file.bucket, file.key), path_of(file.bucket, file.key, METADATA)),
    )


def of_slice(found: Slice, expires_at: int) -> SliceDocument:
    """A kept slice's JSON; `expires_at` in unix milliseconds."""
    return SliceDocument(found.index, found.count, found.length, moment(expires_at))


def of_upload(found: UnderWay) -> UploadDocument:
    """An unfinished upload's JSON."""
    upload, options = found.upload, found.upload.options
    # Releases before 0.2 did not note the protocol; tus alone has metadata as it was sent.
    spoken = options.protocol or ("tus" if options.echo or upload.concat else "ietf")
    return UploadDocument(
        id=upload.id,
        bucket=upload.bucket,
        key=upload.key or None,
        offset=found.offset,
        length=upload.length,
        protocol="slices" if options.slicing is not None else spoken,
        subject=upload.subject,
        by_ticket=options.by_ticket,
        created_at=moment(upload.created_at),
        expires_at=moment(found.expires_at),
        links=UploadLinks(f"{UPLOADS}/{upload.id}" if options.slicing is None else None),
    )


def of_bucket(bucket: Bucket) -> BucketDocument:
    """A bucket's JSON."""
    policy: Policy = bucket.policy
    return BucketDocument(
        name=bucket.name,
        public=policy.public,
        max_file_bytes=policy.max_file_bytes,
        allowed_types=policy.allowed_types,
        allowed_extensions=policy.allowed_extensions,
        expire_after_seconds=policy.expire_after_seconds,
        cors_origins=policy.cors_origins,
        created_at=moment(bucket.created_at),
    )


def of_event(event: Event, cursor: Cursor) -> EventDocument:
    """An event's JSON; the cursor is its id."""
    return EventDocument(
        id=cursor,
        kind=event.kind,
        at=moment(event.at),
        file=None if event.file is None else of_file(event.file),
        quota=event.warning,
        moved_from=event.moved_from,
    )
