"""Time as the records count it."""

from __future__ import annotations

from collections.abc import Callable

# Gives unix seconds; tests bring their own.
Clock = Callable[[], float]


def milliseconds(clock: Clock) -> int:
    """Now, in unix milliseconds."""
    return int(clock() * 1000)
