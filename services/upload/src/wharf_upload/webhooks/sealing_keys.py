"""The keys that seal signing secrets, read again when their file changes."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from servicekit.sealing import KeyRing, SealingKeyError

log = logging.getLogger(__name__)
# Device, inode, size and time of the last change of a file.
_Mark = tuple[int, int, int, int]


class SealingKeys:
    """Returns the keys of a file; any number of threads may call it.

    An operator adds and removes keys while the service runs, so each call checks whether the file
    has changed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ring: KeyRing | None = None
        self._mark: _Mark | None = None

    def __call__(self) -> KeyRing:
        """Return the keys; raise `SealingKeyError` if they were never readable."""
        mark = self._found()
        ring = self._ring
        if ring is None or (mark is not None and mark != self._mark):
            # A failure is not repeated before the next change of the file.
            self._mark = mark
            ring = self._ring = self._read(ring)
        return ring

    def _read(self, known: KeyRing | None) -> KeyRing:
        try:
            return KeyRing.load(self._path)
        except SealingKeyError as error:
            if known is None:
                raise
            log.error("the service continues with the earlier keys: %s", error)  # noqa: TRY400 -- no trace needed
            return known

    def _found(self) -> _Mark | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
