"""Ids: UUIDs in order of time (RFC 9562 section 5.7)."""

from __future__ import annotations

import os
import time


def uuid7_hex() -> str:
    """Return a new version 7 UUID as 32 hexadecimal digits.

    The UUID has 48 bits of unix milliseconds and 74 random bits.
    """
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return f"{value:032x}"
