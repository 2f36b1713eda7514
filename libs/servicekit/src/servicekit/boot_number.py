"""A text that identifies the current start of the machine."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_number() -> str:
    """Return a text that changes with each start of the machine.

    The text is part of the names of files that are never synced. A power cut may damage an unsynced
    file, so no process opens the file after the next start.
    """
    try:
        return _BOOT_ID.read_text()[:8]
    except OSError:
        return "0"
