"""A resumable upload, until it is a file."""

from __future__ import annotations

from typing import Literal

import msgspec

from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Idempotency, OnConflict
from wharf_upload.domain.files import File

Concat = Literal["", "partial", "final"]


class Slicing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the file of forms with slices is cut: all slices but the last have `slice_bytes`.

    `ticket` is the id of the upload ticket that they come with, empty for none.
    """

    slice_bytes: int
    ticket: str = ""


class UploadOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was said at creation and matters at the end. `echo` is tus' Upload-Metadata as sent,
    `metadata` what of it becomes the file's.

    `slicing` is there when the bytes come in forms; no other request knows such an upload.
    `protocol` is empty in uploads of older releases. `by_ticket`: an upload ticket began it.
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
    """A resumable upload. `length` (bytes) is `None` while it is not known; times are unix ms.

    `discard_from`: what lies behind this offset was not verified, and is given up when the request
    that brought it has ended. `reserved_bytes` count against the quota until the end.
    `file` is there when the upload is complete (but for partial ones, which become no file).
    `replica` is the address of the replica whose disk has the bytes so far; empty where all share
    one folder.
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
    """The bytes of an upload so far are on the disk of the `replica` with this address."""

    def __init__(self, replica: str) -> None:
        super().__init__(f"the upload is at {replica}")
        self.replica = replica
