"""Takes requests from a shared counter some at a time, so that most requests ask nobody.

For large limits only: a process takes a thousandth of the limit at once, at most 64, and gives it
out itself. What it has taken and not used when a window ends is lost, so near the limit a request
may be refused that early. In uWSGI's cache windows follow the clock, as they do here, and a limit
is never passed; Redis begins a window with its first request, so what is left of one may be used in
the next.
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
    """What this process has taken in advance, by limit and key."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        # [requests left, number of the window they are for]
        self._left: dict[tuple[str, str], list[int]] = {}
        self._lock = threading.Lock()

    def hit(self, strategy: RateLimiter, item: RateLimitItem, key: str, name: str) -> bool:
        """Whether one more request is within the limit."""
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
                left[0] += size - 1  # another thread took some at the same moment
            else:
                self._left[name, key] = [size - 1, window]
        return True
