"""A guard against a store that does not respond.

After a timeout, small requests fail immediately, except for one at a time that tries the store.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# After a timeout no small request is sent for this time.
_SECONDS = 2.0
# How long the other requests fail while one request tries the store. This time is longer than the
# timeout of a small request.
_PATIENCE_SECONDS = 15.0


class Silence:
    """The state of a store that has not responded in time, as this process knows it.

    Few threads serve clients. Without this class all of them would wait for the store, and requests
    that need no store, such as lists, would wait for a thread.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with a store that responds."""
        self._clock = clock
        self._until = 0.0
        self._lock = threading.Lock()

    def lasts(self) -> bool:
        """Return whether requests must fail now.

        After `False` the caller sends a request, and must call `heard` or `unheard`.
        """
        if not self._until:
            return False
        with self._lock:
            now = self._clock()
            if now < self._until:
                return True
            self._until = now + _PATIENCE_SECONDS
        return False

    def unheard(self) -> None:
        """Note that a request has timed out."""
        self._until = self._clock() + _SECONDS

    def heard(self) -> None:
        """Note that the store responds, or refuses connections; neither blocks a thread."""
        self._until = 0.0
