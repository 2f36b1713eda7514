"""The progress of a move of blobs, as a line from time to time, for a terminal and for logs."""

from __future__ import annotations

import time
from collections.abc import Callable

from wharf_upload.maintenance.blobs_left import Left
from wharf_upload.maintenance.moving_blobs import Moved

_SECONDS = 10.0


class MoveProgress:
    """Writes at most one line in ten seconds; `left` counts the blobs at the start."""

    def __init__(
        self,
        left: Left,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._left, self._say, self._clock = left, say, clock
        self._next = clock() + _SECONDS

    def show(self, moved: Moved) -> None:
        """Write a line if one is due; `moved` is the progress so far."""
        now = self._clock()
        if now >= self._next:
            self._next = now + _SECONDS
            self._say(
                f"copied: {moved.copied_files} of {self._left.files} files, "
                f"{moved.copied_bytes} of {self._left.bytes} bytes; "
                f"removed from the old place: {moved.removed_files} files"
            )
