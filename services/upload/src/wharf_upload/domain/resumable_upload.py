"""A resumable upload, until it becomes a file."""

from __future__ import annotations

from typing import Literal

import msgspec

from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Idempotency, OnConflict
from wharf_upload.domain.files import File

Concat = Literal["", "partial", "final"]


class Slicing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a client cuts a file into slices: each slice but the last one has `slice_bytes` bytes.

    `ticket` is the id of the upload ticket that authorizes the slices, empty for none.
    """

    slice_bytes: int
    ticket: str = ""


class UploadOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The options that a client sets at the creation of an upload and that matter at its end.

    `echo` is tus' Upload-Metadata as the client sent it; `metadata` is the part of it that the file
    gets. `slicing` is set if the bytes arrive in forms; then only forms can add bytes to the
    upload. `protocol` is empty in uploads of older releases. `by_ticket` is true if a request with
    an upload ticket created the upload.
    """

    declared_type: str | None = None
    on_conflict: OnConflict = "replace"
    condition: WriteCondition | None = None
    digests: dict[str, bytes] = {}
    echo: str = ""
    metadata: dict[str, str] = {}
    idempotency: Idempotency | None = None
    slicing: Slicing | None = None
    protocol: Literal["", "tus", "ietf"] = ""
    by_ticket: bool = False


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A resumable upload. `length` (bytes) is `None` while it is unknown; times are unix ms.

    The bytes after the offset `discard_from` are not verified; they are discarded when the request
    that sent them has ended without a success. `reserved_bytes` count against the quota until the
    upload ends. `file` is set when the upload is complete, except for partial uploads, which never
    become a file. `replica` is the address of the replica that has the received bytes on its disk;
    it is empty if all replicas share one folder.
    """

    id: str
    tenant: str
    subject: str
    bucket: str
    key: str
    length: int | None
    concat: Concat = ""
    parts: tuple[str, ...] = ()
    options: UploadOptions = UploadOptions()
    discard_from: int | None = None
    reserved_bytes: int = 0
    file: File | None = None
    created_at: int
    expires_at: int
    replica: str = ""


class AtAnotherReplica(Exception):
    """The received bytes of an upload are on the disk of the `replica` with this address."""

    def __init__(self, replica: str) -> None:
        super().__init__(f"the upload is at {replica}")
        self.replica = replica
