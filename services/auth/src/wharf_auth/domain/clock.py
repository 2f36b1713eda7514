"""The clock of the service."""

from __future__ import annotations

from collections.abc import Callable

# A function that returns the time in unix seconds; tests pass their own clock.
Clock = Callable[[], float]


def milliseconds(clock: Clock) -> int:
    """Return the current time in unix milliseconds."""
    return int(clock() * 1000)
