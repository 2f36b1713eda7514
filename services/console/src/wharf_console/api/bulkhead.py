"""Limits the threads that wait for one service, so that some threads stay free if it hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from wharf_console.api.problems import ApiUnavailable

# The most threads that wait for each service. Two of the eight threads of uwsgi.ini stay free for
# requests that need no service: the login page and probes.
_MOST: Mapping[str, int] = {"auth": 2, "upload": 4}
# A thread that has waited this long for a response rarely gets one.
_PATIENCE_SECONDS = 3.0


class Places:
    """A limited number of places for threads that wait for one service.

    When all places are taken, a thread waits for a place. The waiting thread is refused when every
    thread with a place has waited for `patience` seconds, because then the service hangs.
    """

    def __init__(self, most: int, patience: float = _PATIENCE_SECONDS) -> None:
        self._most, self._patience = most, patience
        self._begun: dict[int, float] = {}
        self._changed = threading.Condition()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Occupy a place during the block; a thread that already has a place needs no other.

        Raises:
            ApiUnavailable: the threads in all places have waited too long for a response.
        """
        thread = threading.get_ident()
        if thread in self._begun:
            yield
            return
        self._take(thread)
        try:
            yield
        finally:
            with self._changed:
                del self._begun[thread]
                self._changed.notify()

    def _take(self, thread: int) -> None:
        with self._changed:
            while len(self._begun) >= self._most:
                left = max(self._begun.values()) + self._patience - time.monotonic()
                if left <= 0:
                    raise ApiUnavailable("too many requests wait for the service already")
                self._changed.wait(left)
            self._begun[thread] = time.monotonic()


class Bulkhead:
    """The places for each service behind the door."""

    def __init__(self) -> None:
        places = {name: Places(most) for name, most in _MOST.items()}
        self.auth, self._upload = places["auth"], places["upload"]

    def of(self, target: str) -> Places:
        """Return the places for requests of this target."""
        return self.auth if target.startswith("/auth/") else self._upload
