"""How much of a body of unknown length the gateway takes: sizes by class (ADR 58).

nginx's limits of bodies are fixed numbers, one for each location. So there is one location for each
class, and admission chooses the class of a body that says no length.
"""

from __future__ import annotations

FACTOR = 2
SMALLEST_BYTES = 1 << 10
LARGEST_BYTES = 1 << 50
CLASSES = tuple(
    SMALLEST_BYTES * FACTOR**step
    for step in range(LARGEST_BYTES.bit_length())
    if SMALLEST_BYTES * FACTOR**step <= LARGEST_BYTES
)
"""Bytes at which the gateway cuts a body, in order; each is twice the one before."""


def class_for(limit_bytes: int, room_bytes: int) -> int | None:
    """Return the class of a body that may have up to `limit_bytes`, in bytes.

    It is the least one that holds the limit, so that the body is cut at less than twice the
    limit, or at `SMALLEST_BYTES`. A disk or a quota with less room has a smaller class: the largest
    one within `room_bytes`. `None` where not even the smallest one fits.
    """
    wanted = next((size for size in CLASSES if size >= limit_bytes), LARGEST_BYTES)
    if wanted <= room_bytes:
        return wanted
    return max((size for size in CLASSES if size <= room_bytes), default=None)
