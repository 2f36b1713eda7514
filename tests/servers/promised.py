"""How soon a change holds, as docs/periods.md has it: no test waits longer for one."""

from __future__ import annotations

import time
from collections.abc import Callable

# What is revoked, suspended, resumed or granted, on all ways and in all processes.
RIGHTS_SECONDS = 5.0
# What links and public buckets show.
SHARED_SECONDS = 2.0
# A rotated key of links.
LINK_KEY_SECONDS = 4.0
# Limits of a tenant.
LIMITS_SECONDS = 2.0
# Which other origins may read.
ORIGINS_SECONDS = 5.0


def holds(condition: Callable[..., object], seconds: float = RIGHTS_SECONDS) -> bool:
    """Return whether a condition holds by the time that was promised.

    It is asked again and again, and for the last time when the time is over, not before.
    """
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        if condition():
            return True
        if left <= 0:
            return False
        time.sleep(min(0.05, max(0.0, deadline - time.monotonic())))
