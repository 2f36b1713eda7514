"""The JSON documents of the API.

To add a member to a file's document, change `FileDocument` and `of_file`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.events import EndpointNote, Event
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
    """The addresses of the file: paths on this host."""

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
    """The files that a form contained."""

    files: tuple[FileDocument, ...]


class SliceDocument(msgspec.Struct, frozen=True):
    """A stored slice: `index` (from 0) of `count` slices of a file of `size` bytes.

    The service waits for the other slices until `expires_at`. The response to the last slice has
    the file.
    """

    index: int
    count: int
    size: int
    expires_at: datetime


class Listing(msgspec.Struct, frozen=True):
    """A page of a bucket; `next_cursor` returns the next page and is null on the last one."""

    files: tuple[FileDocument, ...]
    prefixes: tuple[str, ...]
    next_cursor: str | None


class UploadLinks(msgspec.Struct, frozen=True):
    """The address for continuing or ending the upload; null if its bytes arrive only in forms."""

    upload: str | None


class UploadDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An unfinished upload, which has not become a file yet.

    `key` is null for a part of another upload that has no name of its own. The service has received
    `offset` of `length` bytes. `length` is null while it is unknown. `offset` is null while another
    replica that shares no folder with this one has the bytes. `subject` is the user or client that
    sends the upload; with `by_ticket`, it is the one that made the upload's ticket.
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
    """A page of uploads; `next_cursor` returns the next page and is null on the last one."""

    uploads: tuple[UploadDocument, ...]
    next_cursor: str | None


class TicketDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of an upload ticket: for `key`, or for keys that begin with `prefix`.

    `max_file_bytes` is the smallest limit that applies. `allowed_types` are those of the ticket or,
    if the ticket has none, those of the bucket. Clients have uploaded `files` of `max_files` files
    (null: no limit, and `files` is not counted).
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
    """A page of buckets by name.

    `next_cursor` returns the next page and is null on the last one.
    """

    buckets: tuple[BucketDocument, ...]
    next_cursor: str | None = None


class UsageDocument(msgspec.Struct, frozen=True):
    """The stored and reserved bytes and files of the tenant, and its effective limits.

    A limit of null is no limit.
    """

    bytes: int
    files: int
    allowed: Limits


class LimitsDocument(msgspec.Struct, frozen=True):
    """A tenant's stored limits (null: the default) and its effective ones (null: no limit)."""

    tenant: str
    limits: Limits
    effective: Limits


class EventDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An event.

    `id` is a cursor for `after` and `before`; clients may only compare ids for equality. `file` is
    the file after the event, or its last state if it no longer exists. `quota` is set for
    `quota.warning`, `endpoint` for `webhook.disabled`. `moved_from` is set for `file.moved`, and
    for `file.changed` if the key changed.
    """

    id: Cursor
    kind: str
    at: datetime
    file: FileDocument | None
    quota: QuotaWarning | None
    moved_from: FileAddress | None = None
    endpoint: EndpointNote | None = None


class Events(msgspec.Struct, frozen=True):
    """Events in order; `next_after` is the value of `after` for the next request.

    With the newest events first, `next_before` returns the events before them, and is null if there
    are none. `missed` is true if the service has deleted events after `after` that this reader did
    not get.
    """

    events: tuple[EventDocument, ...]
    next_after: Cursor
    next_before: Cursor | None = None
    missed: bool = False


def moment(milliseconds: int) -> datetime:
    """Convert unix milliseconds to a time."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def of_file(file: File) -> FileDocument:
    """Return the JSON document of a file."""
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
    """Return the JSON document of a stored slice; `expires_at` is in unix milliseconds."""
    return SliceDocument(found.index, found.count, found.length, moment(expires_at))


def of_upload(found: UnderWay) -> UploadDocument:
    """Return the JSON document of an unfinished upload."""
    upload, options = found.upload, found.upload.options
    # Releases before 0.2 did not store the protocol; only uploads by tus have metadata as sent.
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
    """Return the JSON document of a bucket."""
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
    """Return the JSON document of an event; the cursor is its id."""
    return EventDocument(
        id=cursor,
        kind=event.kind,
        at=moment(event.at),
        file=None if event.file is None else of_file(event.file),
        quota=event.warning,
        moved_from=event.moved_from,
        endpoint=event.endpoint,
    )
