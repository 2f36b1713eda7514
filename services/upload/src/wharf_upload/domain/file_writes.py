"""What a write of files asks of the records, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.files import File, FileAddress

OnConflict = Literal["replace", "rename", "error"]


class Idempotency(msgspec.Struct, frozen=True, kw_only=True):
    """A client's `Idempotency-Key`; `fingerprint` tells whether the request is the same one."""

    subject: str
    key: str
    fingerprint: str


class TicketUse(msgspec.Struct, frozen=True, kw_only=True):
    """The upload ticket of a write: `id` is its token's. Files are counted where `max_files` limits
    them, until some time after `expires_at`.
    """

    id: str
    max_files: int | None
    expires_at: int


class UploadEnd(msgspec.Struct, frozen=True, kw_only=True):
    """A resumable upload that ends with the write; what it and its `parts` reserved is given back.

    It is remembered until `expires_at`, for clients that did not get the answer.
    """

    id: str
    parts: tuple[str, ...]
    expires_at: int


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """Files that become visible together, or not at all. All are of one tenant and bucket.

    A key that the records choose begins with one of the prefixes `within`; `None`: with anything.
    """

    files: tuple[File, ...]
    on_conflict: OnConflict = "replace"
    within: tuple[str, ...] | None = None
    condition: WriteCondition | None = None
    idempotency: Idempotency | None = None
    ticket: TicketUse | None = None
    upload: UploadEnd | None = None


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a write: the files under their final keys, and which of them are new."""

    files: tuple[File, ...]
    created: tuple[bool, ...]
    replayed: bool = False


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A file that gets another address, with the same bytes and the same id.

    `condition` is about the file as it is at `source`, `on_conflict` about one at `target`. A key
    that the records choose begins with one of the prefixes `within`; `None`: with anything.
    """

    tenant: str
    source: FileAddress
    target: FileAddress
    on_conflict: OnConflict = "error"
    within: tuple[str, ...] | None = None
    condition: WriteCondition | None = None
    idempotency: Idempotency | None = None


# Gets a file and the key that it moves to; returns the file as it is then, or refuses it.
Place = Callable[[File, str], File]
