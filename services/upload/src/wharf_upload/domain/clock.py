"""The clock of the service."""

from __future__ import annotations

import time


def now_microseconds() -> int:
    """Return the time in unix microseconds."""
    return time.time_ns() // 1_000


def now_milliseconds() -> int:
    """Return the time in unix milliseconds."""
    return time.time_ns() // 1_000_000
