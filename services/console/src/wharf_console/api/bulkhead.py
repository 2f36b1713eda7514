"""Keeps threads free: a service that hangs has a few of them wait for it, and not all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from wharf_console.api.problems import ApiUnavailable

# Of the eight threads of uwsgi.ini two are left for what needs no answer: the login page, probes.
_MOST: Mapping[str, int] = {"auth": 2, "upload": 4}
# Whoever has waited so long for an answer seldom gets one.
_PATIENCE_SECONDS = 3.0


class Places:
    """As many places as threads may wait for one service at a time.

    A thread that finds none waits for one while answers come. It is refused when those who have the
    places have waited for `patience` seconds, all of them: then the service hangs.
    """

    def __init__(self, most: int, patience: float = _PATIENCE_SECONDS) -> None:
        self._most, self._patience = most, patience
        self._begun: dict[int, float] = {}
        self._changed = threading.Condition()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Have a place for the length of the block; a thread that has one needs no other.

        Raises:
            ApiUnavailable: all are taken by those who wait in vain.
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
                    raise ApiUnavailable("others wait in vain already")
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
