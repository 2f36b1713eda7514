"""Which replicas share the data: each touches a file of its name, `replicas/<instance>`.

It lies on the store and not in the database: without the database nobody is dead. What a replica
that is gone has left is swept by whose worker it is; a living one's spool is its own affair.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)
TOUCH_SECONDS = 10.0


class Replicas:
    """The replicas on one WHARF_DATA; `clock` gives unix seconds."""

    def __init__(self, data: Path, clock: Callable[[], float] = time.time) -> None:
        self._data, self._clock = data, clock
        self._folder = data / "replicas"

    def announce(self, instance: str) -> None:
        """The replica lives; raises `OSError`."""
        path = self._folder / instance
        try:
            os.utime(path)
        except FileNotFoundError:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)

    def announce_until(self, stop: threading.Event, instance: str) -> None:
        """Says so again and again until `stop` is set."""
        while True:
            try:
                self.announce(instance)
            except OSError as error:
                log.warning("cannot say that this replica lives: %s", error.strerror)
            if stop.wait(TOUCH_SECONDS):
                return

    def silent_seconds(self, instance: str) -> float | None:
        """How long nothing was heard of a replica; `None`: it never said a word."""
        try:
            return self._clock() - (self._folder / instance).stat().st_mtime
        except OSError:
            return None

    def silent_ones(self, seconds: float) -> Iterator[str]:
        """The replicas of which nothing was heard for so long."""
        with suppress(FileNotFoundError):
            for name in sorted(os.listdir(self._folder)):
                silent = self.silent_seconds(name)
                if silent is not None and silent > seconds:
                    yield name

    def forget(self, instance: str) -> None:
        """Removes what is left of a replica that is gone: its empty spool, and what it had heard.

        With bodies in its spool it is kept in mind: they are swept by their age.
        """
        with suppress(FileNotFoundError):
            try:
                (self._data / "spool" / instance).rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return
            shutil.rmtree(self._data / "upload" / instance, ignore_errors=True)
            (self._folder / instance).unlink()
