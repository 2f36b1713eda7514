"""A setting of glibc that returns memory to the system.

argon2 needs 7 MiB for 15 ms. By default glibc would keep this memory for every thread.
"""

from __future__ import annotations

import ctypes

# From glibc's malloc.h.
_M_MMAP_THRESHOLD = -3
# A block of at least this size is mapped separately, and unmapped when it is freed. By default the
# threshold grows with the size of freed blocks, up to 32 MiB; four threads then kept 76 MiB unused.
_THRESHOLD_BYTES = 1024 * 1024


def return_large_blocks() -> None:
    """Let this process and its children return each large block to the system when it is freed.

    Do nothing if the C library has no `mallopt`.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)
