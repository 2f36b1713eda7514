"""The sizes at which the gateway cuts a body of unknown length (ADR 58).

The body limits of nginx are fixed numbers, one for each location. So nginx has one location for
each class, and the admission chooses the class of a body without a length.
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
"""The sizes in bytes at which the gateway cuts a body, ascending.

Each is twice the previous one.
"""


def class_for(limit_bytes: int, room_bytes: int) -> int | None:
    """Return the class (bytes) of a body that may have up to `limit_bytes`.

    The class is the smallest one that is at least the limit. So the gateway cuts the body at less
    than twice the limit, or at `SMALLEST_BYTES`. If the disk or the quota has less room, the class
    is the largest one within `room_bytes`. Return `None` if even the smallest class does not fit.
    """
    wanted = next((size for size in CLASSES if size >= limit_bytes), LARGEST_BYTES)
    if wanted <= room_bytes:
        return wanted
    return max((size for size in CLASSES if size <= room_bytes), default=None)
