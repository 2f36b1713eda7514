"""One log file for each child, kept from growing without end."""

from __future__ import annotations

import os
import time
from contextlib import suppress

ROTATE_BYTES = 16 << 20
# Older files beside each.
KEPT = 5
KEPT_SECONDS = 7 * 86400
_TAIL_BYTES = 8192
# Where the log of a program was at its last start.
_begun: dict[str, int] = {}


def size(path: str) -> int:
    """Bytes in the file, 0 when there is none."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def rotate(path: str, limit: int = ROTATE_BYTES) -> None:
    """Moves a file that is over the limit to `<path>.1`, and what was there to `<path>.2`.

    The content is copied and the file cut to nothing, since the children hold it open: they
    append, so they go on at its new end. A line written in between is lost; so is what a flood has
    written beyond twice the limit since the last look.

    Raises:
        OSError: the disk is full; older files stay as they are.
    """
    if size(path) <= limit:
        return
    copy, left = f"{path}.new", 2 * limit
    try:
        with open(path, "rb+") as source, open(copy, "wb") as target:
            while left > 0 and (chunk := source.read(min(left, 1 << 16))):
                target.write(chunk)
                left -= len(chunk)
            target.flush()
            _make_room(path)
            os.rename(copy, f"{path}.1")
            source.truncate(0)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(copy)
        raise


def _make_room(path: str) -> None:
    """Renames the older files by one, and removes one if all are there."""
    older = [name for number in range(1, KEPT + 1) if os.path.exists(name := f"{path}.{number}")]
    if len(older) == KEPT:
        os.unlink(older.pop(_dispensable([os.stat(name).st_mtime for name in older])))
    for number in range(len(older), 0, -1):
        os.rename(older[number - 1], f"{path}.{number + 1}")


def _dispensable(ends: list[float]) -> int:
    """Which file goes, by the times of their last lines, the newest first.

    The oldest, when it is a week old. Before, one that a flood has filled in a short time: so a
    flood takes the place of its own lines, not of those of days. The last two stay, which show how
    it goes on.
    """
    if time.time() - ends[-1] > KEPT_SECONDS:
        return len(ends) - 1
    return min(range(1, len(ends) - 1), key=lambda place: ends[place] - ends[place + 1])


def tail(path: str, start: int = 0, lines: int = 15) -> list[str]:
    """The last lines that were written after `start`, a position in bytes."""
    end = size(path)
    # The file may have been rotated since `start` was noted.
    begin = max(start if start <= end else 0, end - _TAIL_BYTES)
    try:
        with open(path, "rb") as file:
            file.seek(begin)
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-lines:]


def begins(name: str) -> None:
    """Notes that a program starts: what its log has until now is not its own."""
    _begun[name] = size(_path(name))


def show_tail(name: str) -> None:
    """Prints the last lines that a program has logged since its start."""
    for line in tail(_path(name), _begun.get(name, 0)):
        print(f"  {name}: {line}", flush=True)


def _path(name: str) -> str:
    return f"{os.environ['WHARF_LOG']}/{name}.log"
