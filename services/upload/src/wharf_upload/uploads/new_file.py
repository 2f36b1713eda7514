"""The record of a file whose bytes have been looked at."""

from __future__ import annotations

from typing import NamedTuple

from servicekit.ids import uuid7_hex
from wharf_upload.content_types.sniffing import HEAD_BYTES, INLINE_TYPES, active_content, sniff
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.files import File
from wharf_upload.domain.upload_intent import UploadIntent, check_type, served_type
from wharf_upload.storage.spool_file import SpoolFile

_LONGEST_MARK_BYTES = 16


class Look(NamedTuple):
    """What the bytes of a file say: their media type, and whether they hold what could act."""

    media_type: str
    active: bool


def of_bytes(intent: UploadIntent, content: bytes, sha256: bytes) -> File:
    """Return the record of a file in memory; raises `TypeNotAllowed`."""
    size = len(content)
    media_type = sniff(content[:HEAD_BYTES], complete=size <= HEAD_BYTES)
    check_type(media_type, intent.filename, intent.policy, intent.ticket)
    active = _is_active(media_type, content[:HEAD_BYTES], content[_tail_start(size) :])
    return describe(intent, sha256, size, Look(media_type, active))


def look_at(intent: UploadIntent, spool: SpoolFile, begin: int, size: int) -> Look:
    """Look at a file of `size` bytes that lies in a spool file from `begin` on.

    Raises `TypeNotAllowed` and `StoreError`.
    """
    head = spool.read_at(begin, min(size, HEAD_BYTES))
    media_type = sniff(head, complete=size <= HEAD_BYTES)
    check_type(media_type, intent.filename, intent.policy, intent.ticket)
    start = _tail_start(size)
    tail = spool.read_at(begin + start, size - start) if start < size else b""
    return Look(media_type, _is_active(media_type, head, tail))


def describe(
    intent: UploadIntent, sha256: bytes, size: int, look: Look, blob: str | None = None
) -> File:
    """Return the record; without `blob` the blob gets the name of the file's new identifier."""
    identifier, now = blob or uuid7_hex(), now_milliseconds()
    lifetime = intent.policy.expire_after_seconds
    return File(
        id=identifier,
        tenant=intent.tenant,
        bucket=intent.bucket,
        key=intent.key,
        blob=identifier,
        size=size,
        sha256=sha256.hex(),
        media_type=served_type(look.media_type, intent.declared_type),
        declared_type=intent.declared_type,
        filename=intent.filename,
        owner=intent.subject,
        created_at=now,
        expires_at=None if lifetime is None else now + 1000 * lifetime,
        active=look.active,
    )


def _is_active(media_type: str, head: bytes, tail: bytes) -> bool:
    """Whether a file that could be shown holds something that could act.

    Its first and last `HEAD_BYTES` are looked at, where unpackers and readers of PDF look
    (security.md row 31).
    """
    return media_type in INLINE_TYPES and (active_content(head) or active_content(tail))


def _tail_start(size: int) -> int:
    """Where the tail of a file of `size` bytes begins, in bytes."""
    # A mark that the end of the head cuts in two is found in the tail.
    return max(HEAD_BYTES - _LONGEST_MARK_BYTES, size - HEAD_BYTES)
