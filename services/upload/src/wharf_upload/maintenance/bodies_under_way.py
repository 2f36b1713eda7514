"""The measurement of the bodies under way, and the end of reservations that were never released.

Bytes on the disk reduce the free space, and a reservation counts the same bytes again until this
module reports how many bytes are written. The reported number is never too large: a file counts
only if two measurements in a row have found it. If a reservation ends between the two measurements,
its space is subtracted (`room_contract.Reservations.note_written`).
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
_BLOCK_BYTES = 512  # the unit of `st_blocks` on every file system


class BodiesUnderWay:
    """Measures the bodies of one gateway, once a second."""

    def __init__(
        self,
        reservations: Reservations,
        spool: Path,
        streamed: Callable[[], int],
        end_late: Callable[[], None],
    ) -> None:
        """Create the measurement.

        `streamed` returns the number of written bytes of bodies that do not pass through the spool.
        `end_late` ends the reservations that this process could not end while the database was
        unavailable.
        """
        self._reservations, self._spool, self._streamed = reservations, spool, streamed
        self._end_late = end_late
        self._before: dict[int, int] = {}
        self._lapse_at = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Measure until `stop` is set."""
        while not stop.wait(_LOOK_SECONDS):
            try:
                self.look()
            except (DatabaseUnavailable, OSError) as error:
                log.warning("cannot measure the bodies under way, will retry: %s", error)

    def begin(self) -> None:
        """End the reservations of the stream server that an earlier, killed process has left."""
        try:
            self._reservations.clear(streamed=True)
        except DatabaseUnavailable as error:
            log.warning("cannot end the reservations of an earlier process: %s", error)

    def look(self) -> None:
        """Report the written bytes, and end expired reservations."""
        self._end_late()
        now = time.monotonic()
        if now >= self._lapse_at:
            self._lapse_at = now + _LAPSE_SECONDS
            if lapsed := self._reservations.lapse():
                log.warning("%d reservations have expired: their bodies never ended", lapsed)
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

    The function leaves out files that were last written before `oldest` (unix seconds), because a
    killed gateway left them. The function also leaves out files with two names: the service is
    storing them.
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
