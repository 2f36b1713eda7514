"""How much a file system has left."""

from __future__ import annotations

import os
from pathlib import Path

from wharf_upload.storage.base import Room


def room_of(folder: Path | str) -> Room:
    """Return what an unprivileged user may still take of a folder's file system."""
    status = os.statvfs(folder)
    # Some file systems make inodes as they need them, and have no number.
    inodes = status.f_favail if status.f_files else None
    return Room(status.f_bavail * status.f_frsize, inodes, bool(status.f_flag & os.ST_RDONLY))
