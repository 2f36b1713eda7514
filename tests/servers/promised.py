"""The times within which a change takes effect (docs/periods.md). No test waits
longer for a change.
"""

from __future__ import annotations

import time
from collections.abc import Callable

# For revocations, suspensions, resumed tenants and grants, in all requests and all processes.
RIGHTS_SECONDS = 5.0
# For content of links and public buckets.
SHARED_SECONDS = 2.0
# For a rotated key of links.
LINK_KEY_SECONDS = 4.0
# For limits of a tenant.
LIMITS_SECONDS = 2.0
# For origins that may read.
ORIGINS_SECONDS = 5.0


def pass_the_rest(begun: float, seconds: float = RIGHTS_SECONDS) -> None:
    """Wait until the promised time after `begun` (`time.monotonic()`) has passed.

    Afterwards a change is effective in every process, although other processes may have known it
    earlier.
    """
    time.sleep(max(0.0, begun + seconds - time.monotonic()))


def holds(condition: Callable[..., object], seconds: float = RIGHTS_SECONDS) -> bool:
    """Return whether a condition becomes true within the promised time.

    The condition is checked repeatedly, the last time at the end of the promised time.
    """
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        if condition():
            return True
        if left <= 0:
            return False
        time.sleep(min(0.05, max(0.0, deadline - time.monotonic())))
