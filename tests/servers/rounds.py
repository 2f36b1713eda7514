"""A stop for loops that run until they are told to end: their pauses take no time here."""

from __future__ import annotations

import threading


class Rounds(threading.Event):
    """Is set at the pause after so many others; `pauses` has the seconds of all of them."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.pauses: list[float | None] = []
        self._rounds = rounds

    def wait(self, timeout: float | None = None) -> bool:
        """Note the pause, and tell at once whether it is the end."""
        self.pauses.append(timeout)
        if len(self.pauses) > self._rounds:
            self.set()
        return self.is_set()
