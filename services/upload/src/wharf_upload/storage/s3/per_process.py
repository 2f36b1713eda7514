"""What each process makes for itself: a connection must not be shared over a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class PerProcess(Generic[Made]):
    """Makes a thing at its first use in a process, also in one that was forked after that."""

    def __init__(self, make: Callable[[], Made]) -> None:
        """Take the function that makes it."""
        self._make = make
        self._lock = threading.Lock()
        self._made: tuple[int, Made] | None = None

    def get(self) -> Made:
        """Return this process's thing."""
        made, process = self._made, os.getpid()
        if made is not None and made[0] == process:
            return made[1]
        with self._lock:
            if self._made is None or self._made[0] != process:
                self._made = (process, self._make())
            return self._made[1]
