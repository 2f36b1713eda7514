"""Looks at how much of the bodies under way is on the disk by now, and ends what nobody ends.

A body that has come in takes free space, and what is reserved for it takes the same space once
more until this says how much is there. What this says is never too much: a file counts when it was
there at two looks, and the room of a reservation that ends in between is subtracted
(`room_contract.Reservations.note_written`).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from servicekit.database import DatabaseUnavailable
from wharf_upload.database.room_contract import Reservations

log = logging.getLogger(__name__)
_LOOK_SECONDS, _LAPSE_SECONDS = 1.0, 60.0
_BLOCK_BYTES = 512  # of `st_blocks`, whatever the filesystem has


class BodiesUnderWay:
    """Looks at the bodies of one gateway, once a second."""

    def __init__(
        self,
        reservations: Reservations,
        spool: Path,
        streamed: Callable[[], int],
        end_late: Callable[[], None],
    ) -> None:
        """`streamed` tells how many bytes of bodies are there that do not go through the spool.

        `end_late` ends what this process could not end while the database was away.
        """
        self._reservations, self._spool, self._streamed = reservations, spool, streamed
        self._end_late = end_late
        self._before: dict[int, int] = {}
        self._lapse_at = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set."""
        while not stop.wait(_LOOK_SECONDS):
            try:
                self.look()
            except (DatabaseUnavailable, OSError) as error:
                log.warning("bodies under way cannot be looked at: %s", error)

    def begin(self) -> None:
        """End what a process had reserved that took streams before this one, and was killed."""
        try:
            self._reservations.clear(streamed=True)
        except DatabaseUnavailable as error:
            log.warning("streams of another process keep their room: %s", error)

    def look(self) -> None:
        """Note what is on the disk; end what has lapsed."""
        self._end_late()
        now = time.monotonic()
        if now >= self._lapse_at:
            self._lapse_at = now + _LAPSE_SECONDS
            if lapsed := self._reservations.lapse():
                log.warning("%d bodies never ended: their room is free again", lapsed)
        oldest = self._reservations.oldest()
        if oldest is None:
            self._before = {}
            return
        found = _sizes(self._spool, oldest)
        both = [min(found[one], self._before[one]) for one in found.keys() & self._before.keys()]
        self._before = found
        self._reservations.note_written(sum(both) + self._streamed(), len(both))


def _sizes(spool: Path, oldest: float) -> dict[int, int]:
    """Return the bytes of bodies in the spool, by inode.

    A file that was written before the oldest body came was left by a gateway that was killed. One
    with two names is being stored.
    """
    found = {}
    with os.scandir(spool) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if status.st_nlink == 1 and status.st_mtime >= oldest:
                found[status.st_ino] = min(status.st_size, status.st_blocks * _BLOCK_BYTES)
    return found
