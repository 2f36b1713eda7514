"""The pause of garbage collection: while a process copies the store, no blob is removed.

A pause is a row. The copying process updates the row regularly, with the clock of the database. A
row without recent updates belongs to a process that has died. If all replicas share a disk, a pause
is also a file in `$WHARF_DATA/holds`: earlier releases read only the file.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from servicekit.database import DatabaseUnavailable
from servicekit.ids import uuid7_hex
from wharf_upload.database.contract import UpkeepRecords

_TOUCH_SECONDS = 10.0
# Much longer than the time between two updates on a busy disk, and than the difference between two
# machines' clocks.
_STALE_SECONDS = 600.0
_STALE_MILLISECONDS = int(1000 * _STALE_SECONDS)


class GarbageCollectionPause:
    """The pauses of one installation."""

    def __init__(self, records: UpkeepRecords, data: Path | None) -> None:
        """Create the pauses; `data` is a WHARF_DATA that all replicas share, or `None`."""
        self._records = records
        self._files = None if data is None else _Files(data / "holds")

    def is_active(self) -> bool:
        """Tell whether a process copies the store; raises `OSError` and `DatabaseUnavailable`."""
        if self._files is not None and self._files.are_touched():
            return True
        return self._records.is_paused(_STALE_MILLISECONDS)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep all blobs until the end of the block; raises `OSError`, `DatabaseUnavailable`."""
        own = uuid7_hex()
        if self._files is not None:
            self._files.begin()
        self._records.forget_pauses(_STALE_MILLISECONDS)
        done = threading.Event()
        toucher = threading.Thread(target=self._touch_until, args=(own, done), daemon=True)
        try:
            self._touch(own)
            toucher.start()
            yield
        finally:
            done.set()
            if toucher.ident is not None:
                toucher.join()
            self._end(own)

    def _touch(self, own: str) -> None:
        if self._files is not None:
            self._files.touch(own)
        self._records.touch_pause(own)

    def _touch_until(self, own: str, done: threading.Event) -> None:
        while not done.wait(_TOUCH_SECONDS):
            # A later update may succeed, and the pause stays valid without several updates.
            with suppress(OSError, DatabaseUnavailable):
                self._touch(own)

    def _end(self, own: str) -> None:
        if self._files is not None:
            self._files.remove(own)
        with suppress(DatabaseUnavailable):  # the row expires without updates
            self._records.end_pause(own)


class _Files:
    """The pause files of a folder; a file counts while its last change is recent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self) -> None:
        """Create the folder, and remove the files of processes that have died."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._all():
            if not self._is_fresh(path):
                path.unlink(missing_ok=True)

    def touch(self, name: str) -> None:
        (self._folder / name).touch(0o600)

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def are_touched(self) -> bool:
        return any(self._is_fresh(path) for path in self._all())

    def _all(self) -> list[Path]:
        # Path.glob is not usable here: it returns nothing for a folder that it cannot read.
        try:
            return [self._folder / name for name in os.listdir(self._folder)]
        except FileNotFoundError:
            return []  # no process has ever copied the store

    def _is_fresh(self, path: Path) -> bool:
        try:
            return time.time() - path.stat().st_mtime < _STALE_SECONDS
        except FileNotFoundError:
            return False
