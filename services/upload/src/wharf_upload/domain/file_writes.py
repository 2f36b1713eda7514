"""Writes of files that the records execute, and their results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.files import File, FileAddress

OnConflict = Literal["replace", "rename", "error"]


class Idempotency(msgspec.Struct, frozen=True, kw_only=True):
    """A client's `Idempotency-Key`; `fingerprint` tells whether a repeated request is the same."""

    subject: str
    key: str
    fingerprint: str


class TicketUse(msgspec.Struct, frozen=True, kw_only=True):
    """The upload ticket of a write; `id` is the id of its token.

    The records count the ticket's files if `max_files` limits them. The records keep the count
    until some time after `expires_at` (unix milliseconds).
    """

    id: str
    max_files: int | None
    expires_at: int


class UploadEnd(msgspec.Struct, frozen=True, kw_only=True):
    """A resumable upload that ends with the write, which releases the upload's reservations.

    The reservations of its `parts` are released as well. The records keep the result until
    `expires_at`, for clients that did not receive the response.
    """

    id: str
    parts: tuple[str, ...]
    expires_at: int


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """Files of one tenant and bucket that become visible together, or not at all.

    A key that the records choose (`rename`) begins with one of the prefixes `within`; `None`
    permits any key.
    """

    files: tuple[File, ...]
    on_conflict: OnConflict = "replace"
    within: tuple[str, ...] | None = None
    condition: WriteCondition | None = None
    idempotency: Idempotency | None = None
    ticket: TicketUse | None = None
    upload: UploadEnd | None = None


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a write: the files with their final keys, and which of them are new.

    `replayed` is true if this is the result of an earlier request with the same `Idempotency-Key`.
    """

    files: tuple[File, ...]
    created: tuple[bool, ...]
    replayed: bool = False


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """The move of a file to another address; its bytes and its id stay the same.

    `condition` refers to the file at `source`, `on_conflict` to a file at `target`. A key that the
    records choose (`rename`) begins with one of the prefixes `within`; `None` permits any key.
    """

    tenant: str
    source: FileAddress
    target: FileAddress
    on_conflict: OnConflict = "error"
    within: tuple[str, ...] | None = None
    condition: WriteCondition | None = None
    idempotency: Idempotency | None = None


# Takes a file and its new key; returns the file in its new state, or raises a refusal.
Place = Callable[[File, str], File]
