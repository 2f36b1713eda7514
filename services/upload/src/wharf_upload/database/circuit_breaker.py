"""The circuit breaker for the database: it limits the requests to an unreachable database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# Longer than any query can take: the thread that asks the database records the result within this
# time.
_PATIENCE_SECONDS = 60.0


class CircuitBreaker:
    """Lets one caller every `seconds` try the database after a failure, and refuses the others.

    The refused callers do not wait for the database and can use an older cached result. Each
    process has one circuit breaker. A caller for which `is_open` returned false must call
    `record_success`, `record_failure` or `record_unknown` afterwards.
    """

    def __init__(
        self, *, seconds: float = 3.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._clock = seconds, clock
        self._until = 0.0
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        """Tell whether the caller must not ask the database now."""
        if not self._until:
            return False
        with self._lock:
            now = self._clock()
            if now < self._until:
                return True
            self._until = now + _PATIENCE_SECONDS
        return False

    def record_failure(self) -> None:
        """Record that the database did not respond."""
        self._until = self._clock() + self._seconds

    def record_success(self) -> None:
        """Record that the database responded."""
        self._until = 0.0

    def record_unknown(self) -> None:
        """Record that the caller did not ask the database after all; the next caller may ask."""
        if self._until:
            self._until = self._clock()
