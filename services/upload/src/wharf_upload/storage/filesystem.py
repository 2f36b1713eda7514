"""The free space of a file system."""

from __future__ import annotations

import os
from pathlib import Path

from wharf_upload.storage.base import Room


def room_of(folder: Path | str) -> Room:
    """Return the free space of a folder's file system for an unprivileged user."""
    status = os.statvfs(folder)
    # Some file systems create inodes on demand, and report no number.
    inodes = status.f_favail if status.f_files else None
    return Room(status.f_bavail * status.f_frsize, inodes, bool(status.f_flag & os.ST_RDONLY))
