"""Test of the service's clock."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from wharf_upload.domain.clock import now_microseconds, now_milliseconds


@pytest.mark.parametrize(
    ("now", "nanoseconds"), [(now_microseconds, 1_000), (now_milliseconds, 1_000_000)]
)
def test_the_clock_has_whole_units(now: Callable[[], int], nanoseconds: int) -> None:
    """The clock returns the system's time as a whole number of units since 1970."""
    before = time.time_ns()
    found = now()
    after = time.time_ns()
    assert isinstance(found, int)
    assert before // nanoseconds <= found <= after // nanoseconds
