"""Judges what a caller may hear of an event: the one rule of the list, of streams and of sockets.

A caller hears an event when it may read the key of the file; an event without a file needs a caller
that reaches everything. Of a move the caller hears the ends that it may read.
"""

from __future__ import annotations

import msgspec

from servicekit.reach import Reach
from wharf_upload.domain.events import Event
from wharf_upload.domain.files import File, FileAddress


def told(reach: Reach, event: Event) -> Event | None:
    """Return the event as the caller may hear it; `None`: nothing of it."""
    if reach.is_everything:
        return event
    file, origin = event.file, event.moved_from
    if file is None:
        return None
    if reach.allows("read", file.bucket, file.key):
        if origin is None or reach.allows("read", origin.bucket, origin.key):
            return event
        return msgspec.structs.replace(event, moved_from=None)
    if origin is None or not reach.allows("read", origin.bucket, origin.key):
        return None
    gone = _left_behind(event.kind, file, origin)
    return msgspec.structs.replace(event, kind="file.deleted", file=gone, moved_from=None)


def _left_behind(kind: str, file: File, origin: FileAddress) -> File:
    """Return a file that has moved as it was at its old address.

    What the move, or the change, may have given it is left out: its name says where it went.
    """
    old, new = (key.rpartition("/")[2] for key in (origin.key, file.key))
    is_as_before = kind == "file.moved"
    return msgspec.structs.replace(
        file,
        bucket=origin.bucket,
        key=origin.key,
        filename=file.filename if is_as_before and old == new else old,
        metadata=file.metadata if is_as_before else {},
        expires_at=None,
    )
