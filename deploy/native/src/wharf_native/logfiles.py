"""One log file for each child, kept from growing without end."""

from __future__ import annotations

import os

ROTATE_BYTES = 32 << 20
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
    """Moves a file that is over the limit to `<path>.1`, replacing the one before.

    The content is copied and the file cut to nothing, since the children hold it open: they
    append, so they go on at its new end. A line written in between is lost.
    """
    if size(path) <= limit:
        return
    with open(path, "rb+") as source, open(f"{path}.1", "wb") as target:
        while chunk := source.read(1 << 16):
            target.write(chunk)
        source.truncate(0)


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
