"""The log files of the processes, one for each program, and their rotation."""

from __future__ import annotations

import os
import time
from contextlib import suppress

ROTATE_BYTES = 16 << 20
# The number of older files of each log.
KEPT = 5
KEPT_SECONDS = 7 * 86400
_TAIL_BYTES = 8192
# The size in bytes that the log of a program had at its last start.
_begun: dict[str, int] = {}


def size(path: str) -> int:
    """Return the size of the file in bytes; 0 when the file does not exist."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def rotate(path: str, limit: int = ROTATE_BYTES) -> None:
    """Move the content of a file above the limit to `<path>.1`, and `<path>.1` to `<path>.2`.

    The content is copied and the file truncated, because the processes have the file open. The
    processes append, so they continue at the file's new end. Lines that are written between the two
    steps are lost, and also bytes beyond twice the limit.

    Raises:
        OSError: the disk is full, for example; the older files stay as they are.
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
    """Increase the numbers of the older files by one; delete one of them first if all exist."""
    older = [name for number in range(1, KEPT + 1) if os.path.exists(name := f"{path}.{number}")]
    if len(older) == KEPT:
        os.unlink(older.pop(_dispensable([os.stat(name).st_mtime for name in older])))
    for number in range(len(older), 0, -1):
        os.rename(older[number - 1], f"{path}.{number + 1}")


def _dispensable(ends: list[float]) -> int:
    """Return the index of the file to delete.

    `ends` are the times of the last lines of the files, the newest file first.

    Delete the oldest file when it is more than a week old. Otherwise delete the file that was
    filled in the shortest time: then a flood of lines displaces its own lines, not those of many
    days. Keep the newest file, which shows the present state, and the oldest.
    """
    if time.time() - ends[-1] > KEPT_SECONDS:
        return len(ends) - 1
    return min(range(1, len(ends) - 1), key=lambda place: ends[place] - ends[place + 1])


def tail(path: str, start: int = 0, lines: int = 15) -> list[str]:
    """Return at most `lines` lines, the last ones after `start`, a position in bytes."""
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
    """Note the size of a program's log at its start; earlier lines belong to an earlier run."""
    _begun[name] = size(_path(name))


def show_tail(name: str) -> None:
    """Print the last lines that a program has logged since its start."""
    for line in tail(_path(name), _begun.get(name, 0)):
        print(f"  {name}: {line}", flush=True)


def _path(name: str) -> str:
    return f"{os.environ['WHARF_LOG']}/{name}.log"
