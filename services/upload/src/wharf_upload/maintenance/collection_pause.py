"""While somebody copies the store, deleted files' bytes stay.

A hold is a file in `$WHARF_DATA/holds` that the copier touches again and again. A hold that is not
touched any more is of a copier that died. It lies on the store, where all sweepers see it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from servicekit.ids import uuid7_hex

_TOUCH_SECONDS = 10.0
# Much longer than the pause between two touches on a disk that is busy, and than clocks differ.
_STALE_SECONDS = 600.0


class GarbageCollectionPause:
    """The holds on one store."""

    def __init__(self, data: Path, clock: Callable[[], float] = time.time) -> None:
        """`data` is WHARF_DATA; `clock` gives unix seconds."""
        self._folder, self._clock = data / "holds", clock

    def is_active(self) -> bool:
        """Tell whether anybody copies the store right now; raises `OSError`."""
        return any(self._is_fresh(path) for path in self._all())

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep all bytes for the length of the block; raises `OSError`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._all():
            if not self._is_fresh(path):
                path.unlink(missing_ok=True)
        own = self._folder / uuid7_hex()
        own.touch(0o600)
        done = threading.Event()
        toucher = threading.Thread(target=self._touch, args=(own, done), daemon=True)
        toucher.start()
        try:
            yield
        finally:
            done.set()
            toucher.join()
            own.unlink(missing_ok=True)

    def _all(self) -> list[Path]:
        # Not Path.glob: it takes a folder that cannot be read for an empty one.
        try:
            return [self._folder / name for name in os.listdir(self._folder)]
        except FileNotFoundError:
            return []  # nobody has ever copied

    def _touch(self, path: Path, done: threading.Event) -> None:
        while not done.wait(_TOUCH_SECONDS):
            with suppress(OSError):
                path.touch(0o600)

    def _is_fresh(self, path: Path) -> bool:
        try:
            return self._clock() - path.stat().st_mtime < _STALE_SECONDS
        except FileNotFoundError:
            return False
