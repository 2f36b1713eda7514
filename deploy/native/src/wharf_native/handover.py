"""One process gives way to the next: the new one serves before the old one is asked to go."""

from __future__ import annotations

import time
from contextlib import suppress

from wharf_native.children import Child


class Handover:
    """A child's process is replaced while both hold the same listening sockets.

    Args:
        child: has a process, and will have the new one; on failure it keeps the old.
        seconds: how long the new process may take until it serves.
    """

    def __init__(self, child: Child, seconds: float) -> None:
        self.child = child
        self.old = child.parted()
        self._deadline = time.monotonic() + seconds
        child.start()

    def step(self) -> str | None:
        """Looks how far it is: what went wrong in words, empty when the new process serves.

        None means that it is still starting.
        """
        child, serves = self.child, self.child.program.serves
        how = child.ended()
        if how is not None:
            return self._back(how)
        if serves is None or serves(child.pid):
            self.old.send(child.program.graceful)
            return ""
        if time.monotonic() > self._deadline:
            child.kill()
            return self._back("took too long to start")
        return None

    def abandon(self) -> None:
        """A stop came in between: the old process goes as well as the new one."""
        self.old.send(self.child.program.graceful)

    def _back(self, how: str) -> str:
        while self.child.running and self.child.ended() is None:
            time.sleep(0.01)
        self.old.hand_to(self.child)
        return how


class Leaving:
    """Processes that were replaced and end what they have begun."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._left: list[tuple[Child, float]] = []

    def add(self, child: Child) -> None:
        """One that was asked to go."""
        self._left.append((child, time.monotonic() + self._seconds))

    def of(self, name: str) -> list[Child]:
        """Those of a program that still run."""
        self.poll()
        return [child for child, _ in self._left if child.name == name]

    def poll(self) -> None:
        """Forgets those that have ended, and kills what has had its time."""
        still = []
        for child, deadline in self._left:
            if child.ended() is not None or not child.running:
                continue
            late = time.monotonic() > deadline
            with suppress(ProcessLookupError):
                # Again and again: a uWSGI that is still starting does not hear it.
                child.send(child.program.fast if late else child.program.graceful)
            still.append((child, deadline))
        self._left = still

    def __bool__(self) -> bool:
        return bool(self._left)
