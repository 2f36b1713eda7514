"""While the database is away: who asks it, and who is told at once that it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Outage:
    """After a question that the database did not answer, one more a second; one per process.

    The others need not wait, so that whoever has an older answer goes on with that one.
    """

    def __init__(
        self, *, seconds: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._clock = seconds, clock
        self._until = 0.0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """The database did not answer."""
        self._until = self._clock() + self._seconds

    def lasts(self) -> bool:
        """Whether not to ask now; who is told to ask says `begin` if it lasts on."""
        if not self._until:
            return False
        with self._lock:
            if self._clock() < self._until:
                return True
            self._until = 0.0
        return False
