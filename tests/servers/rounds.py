"""A stop event for loops that run until they must end, with pauses that take no time."""

from __future__ import annotations

import threading


class Rounds(threading.Event):
    """An event that is set in the pause after `rounds` pauses. `pauses` has their seconds."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.pauses: list[float | None] = []
        self._rounds = rounds

    def wait(self, timeout: float | None = None) -> bool:
        """Record the pause and return immediately whether the loop must end."""
        self.pauses.append(timeout)
        if len(self.pauses) > self._rounds:
            self.set()
        return self.is_set()
