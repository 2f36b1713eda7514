"""A limit of bytes per second for several threads together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Limits the rate of bytes; a rate of `None` is no limit."""

    def __init__(
        self,
        bytes_per_second: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Create the limit; `clock` returns seconds."""
        self._rate, self._clock, self._sleep = bytes_per_second, clock, sleep
        self._lock = threading.Lock()
        self._free_at = clock()

    def passed(self, count: int) -> None:
        """Wait until `count` more bytes are allowed."""
        if not self._rate:
            return
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now) + count / self._rate
            wait = self._free_at - now
        self._sleep(wait)
