"""Which start of the machine this is."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_number() -> str:
    """Return what is another one after each start of the machine: then nothing is under way.

    What was never synced may be damaged by a power cut, so nobody opens it again.
    """
    try:
        return _BOOT_ID.read_text()[:8]
    except OSError:
        return "0"
