"""Leases of a rate limit: a process takes several requests from the shared counter in one step.

So most requests need no access to the shared counter. Only large limits have leases: a lease is a
thousandth of the limit, and at most 64 requests. Requests of a lease that are not used before the
window ends are lost, so near the limit a request may be refused a little early. In uWSGI's cache
the windows follow the clock, as in this module, and the limit is never exceeded. Redis begins a
window with its first request, so the rest of a lease may be used in the next window.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from limits import RateLimitItem
from limits.strategies import RateLimiter

_SHARE = 1000
_LARGEST = 64
_MAX_LEASES = 10_000


class Leases:
    """The leases of this process, by limit and key."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        # [remaining requests, number of their window]
        self._left: dict[tuple[str, str], list[int]] = {}
        self._lock = threading.Lock()

    def hit(self, strategy: RateLimiter, item: RateLimitItem, key: str, name: str) -> bool:
        """Count one request, and tell whether it is within the limit."""
        size = min(_LARGEST, item.amount // _SHARE)
        if size < 2:
            return strategy.hit(item, key, name)
        window = int(self._clock() // item.get_expiry())
        with self._lock:
            left = self._left.get((name, key))
            if left is not None and left[0] > 0 and left[1] == window:
                left[0] -= 1
                return True
        if not strategy.hit(item, key, name, cost=size):
            return False
        with self._lock:
            if len(self._left) >= _MAX_LEASES:
                self._left.clear()
            left = self._left.get((name, key))
            if left is not None and left[1] == window:
                left[0] += size - 1  # another thread has taken a lease concurrently
            else:
                self._left[name, key] = [size - 1, window]
        return True
