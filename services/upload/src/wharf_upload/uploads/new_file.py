"""The creation of a file's record from the inspection of its bytes."""

from __future__ import annotations

from typing import NamedTuple

from servicekit.file_types import UNKNOWN
from servicekit.ids import uuid7_hex
from wharf_upload.content_types.active_content import active_content
from wharf_upload.content_types.media_types import INLINE_TYPES
from wharf_upload.content_types.plain_text import is_known_utf8, is_utf8_throughout
from wharf_upload.content_types.sniffing import HEAD_BYTES, sniff
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.files import File
from wharf_upload.domain.upload_intent import UploadIntent, check_empty, check_type
from wharf_upload.storage.spool_file import SpoolFile

_LONGEST_MARK_BYTES = 16


class Look(NamedTuple):
    """The result of the inspection of a file's bytes.

    `active` tells whether the file contains active content such as scripts. `utf8` is false for a
    text that may not be UTF-8.
    """

    media_type: str
    active: bool
    utf8: bool = True


_EMPTY = Look(UNKNOWN, active=False)


def of_bytes(intent: UploadIntent, content: bytes, sha256: bytes) -> File:
    """Return the record of a file in memory; raises `TypeNotAllowed`."""
    size = len(content)
    if not size:
        return describe(intent, sha256, 0, _look_at_nothing(intent))
    return describe(intent, sha256, size, _look_at_bytes(intent, content))


def look_at(intent: UploadIntent, spool: SpoolFile, begin: int, size: int) -> Look:
    """Return what the bytes of a file show: `size` bytes from `begin` on in a spool file.

    Raises `TypeNotAllowed` and `StoreError`.
    """
    if not size:
        return _look_at_nothing(intent)

    def read_at(offset: int, length: int) -> bytes:
        return spool.read_at(begin + offset, max(0, min(length, size - offset)))

    if size <= 2 * HEAD_BYTES:
        # The head and the tail cover the whole file.
        return _look_at_bytes(intent, read_at(0, size))
    head = read_at(0, HEAD_BYTES)
    media_type = _type_of(intent, sniff(head, complete=False, size=size, read_at=read_at), head)
    tail = read_at(_tail_start(size), HEAD_BYTES)
    utf8 = not media_type.startswith("text/") or is_utf8_throughout(size, read_at)
    return Look(media_type, _is_active(media_type, head, tail), utf8)


def describe(
    intent: UploadIntent, sha256: bytes, size: int, look: Look, blob: str | None = None
) -> File:
    """Return the record; the file and its blob share the identifier `blob`, or a new one."""
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
        media_type=look.media_type,
        utf8=look.utf8,
        declared_type=intent.declared_type,
        filename=intent.filename,
        owner=intent.subject,
        metadata=intent.metadata,
        created_at=now,
        expires_at=None if lifetime is None else now + 1000 * lifetime,
        active=look.active,
    )


def _look_at_bytes(intent: UploadIntent, content: bytes) -> Look:
    """Inspect a whole file that is not empty; raises `TypeNotAllowed`."""
    size, head = len(content), content[:HEAD_BYTES]
    if size <= HEAD_BYTES:
        sniffed = sniff(content, complete=True)
    else:
        sniffed = sniff(
            head,
            complete=False,
            size=size,
            read_at=lambda offset, length: content[offset : offset + length],
        )
    media_type = _type_of(intent, sniffed, head)
    active = _is_active(media_type, head, content[_tail_start(size) :])
    return Look(media_type, active, not media_type.startswith("text/") or is_known_utf8(content))


def _type_of(intent: UploadIntent, sniffed: str, head: bytes) -> str:
    return check_type(
        sniffed,
        intent.filename,
        intent.policy,
        intent.ticket,
        declared=intent.declared_type,
        head=head,
    )


def _look_at_nothing(intent: UploadIntent) -> Look:
    """Return the result for an empty file, which has no type."""
    check_empty(intent.filename, intent.policy, intent.ticket)
    return _EMPTY


def _is_active(media_type: str, head: bytes, tail: bytes) -> bool:
    """Tell whether a file that browsers display contains active content.

    The check covers the first and last `HEAD_BYTES`, because unpackers and PDF readers start there
    (security.md row 31).
    """
    return media_type in INLINE_TYPES and (active_content(head) or active_content(tail))


def _tail_start(size: int) -> int:
    """Return the offset (bytes) at which the tail of a file of `size` bytes begins."""
    # The tail overlaps the head, so that the check finds a mark that the end of the head cuts.
    return max(HEAD_BYTES - _LONGEST_MARK_BYTES, size - HEAD_BYTES)
