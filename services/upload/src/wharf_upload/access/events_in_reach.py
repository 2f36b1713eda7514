"""Decides which part of an event a caller may see, for the list, the streams and the WebSockets.

A caller sees an event if it may read the key of the file. To see an event without a file, for
example a quota warning, the caller must reach all files of the tenant. A move has two addresses. A
caller that may read only the new address does not see the old one. A caller that may read only the
old address sees a deletion.
"""

from __future__ import annotations

import msgspec

from servicekit.reach import Reach
from wharf_upload.domain.events import Event
from wharf_upload.domain.files import File, FileAddress


def told(reach: Reach, event: Event) -> Event | None:
    """Return the event as the caller may see it; `None` if it may see no part of the event."""
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
    """Return a moved file with its old address, for a caller that may not read the new address.

    Properties that may differ from those before the move are removed or get a value that reveals
    nothing. For example, the new file name would reveal the new address.
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
