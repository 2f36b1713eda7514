"""Gives memory back: argon2 takes 7 MiB for 15 ms, and glibc would keep it in every thread."""

from __future__ import annotations

import ctypes

# From glibc's malloc.h.
_M_MMAP_THRESHOLD = -3
# Blocks from this size on are mapped on their own and unmapped when freed. By default the bound
# grows with what is freed, up to 32 MiB, so that four threads came to hold 76 MiB for nothing.
_THRESHOLD_BYTES = 1024 * 1024


def return_large_blocks() -> None:
    """Sets the bound for this process and its children; a libc without the knob is left alone."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)
