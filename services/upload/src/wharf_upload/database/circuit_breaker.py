"""While the database is away: who asks it, and who is told at once that it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# Longer than any question to a database takes: whoever asks has said something by then.
_PATIENCE_SECONDS = 60.0


class CircuitBreaker:
    """After a question that the database did not answer, one more every three seconds.

    The others need not wait, so that whoever has an older answer goes on with that one. One per
    process. Who is told to ask (`lasts` is false) says `begin`, `end` or `unknown` afterwards.
    """

    def __init__(
        self, *, seconds: float = 3.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._clock = seconds, clock
        self._until = 0.0
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        """Tell whether not to ask now."""
        if not self._until:
            return False
        with self._lock:
            now = self._clock()
            if now < self._until:
                return True
            self._until = now + _PATIENCE_SECONDS
        return False

    def record_failure(self) -> None:
        """Note that the database did not answer."""
        self._until = self._clock() + self._seconds

    def record_success(self) -> None:
        """Note that the database answered."""
        self._until = 0.0

    def record_unknown(self) -> None:
        """Note that the database was not asked after all: the next caller may ask."""
        if self._until:
            self._until = self._clock()
