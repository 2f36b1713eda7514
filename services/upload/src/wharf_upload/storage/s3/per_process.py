"""Values that each process creates separately: a connection must not be shared after a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class PerProcess(Generic[Made]):
    """Creates a value at its first use in each process, even in a forked process."""

    def __init__(self, make: Callable[[], Made]) -> None:
        """Set the function that creates the value."""
        self._make = make
        self._lock = threading.Lock()
        self._made: tuple[int, Made] | None = None

    def get(self) -> Made:
        """Return the value of this process; create the value at the first call."""
        made, process = self._made, os.getpid()
        if made is not None and made[0] == process:
            return made[1]
        with self._lock:
            if self._made is None or self._made[0] != process:
                self._made = (process, self._make())
            return self._made[1]
