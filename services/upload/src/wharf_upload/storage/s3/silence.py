"""While the store is silent: one small request finds out, the others fail at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# How long nobody asks after a request that was not answered.
_SECONDS = 2.0
# Longer than a small request takes that is not answered.
_PATIENCE_SECONDS = 15.0


class Silence:
    """What a process knows of a store that did not answer in time.

    Threads that answer clients are few. Without this all of them would wait for a silent store, and
    lists, which need no store, would wait with them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with a store that answers."""
        self._clock = clock
        self._until = 0.0
        self._lock = threading.Lock()

    def lasts(self) -> bool:
        """Return whether not to ask now; after a no, `heard` or `unheard` must follow."""
        if not self._until:
            return False
        with self._lock:
            now = self._clock()
            if now < self._until:
                return True
            self._until = now + _PATIENCE_SECONDS
        return False

    def unheard(self) -> None:
        """Note that a request was not answered in time."""
        self._until = self._clock() + _SECONDS

    def heard(self) -> None:
        """Note that the store answers, or cannot be reached, which takes no time."""
        self._until = 0.0
