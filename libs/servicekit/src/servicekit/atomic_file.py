"""Replaces whole files at once: a reader gets the old content or the new one, never half of it.

The new content is written beside the file and takes its name at the end. One writer at a time:
those of several processes take turns (`servicekit.file_lock`). After a crash the next writer
removes what is left.

No library does it: `safer` syncs nothing, portalocker replaces nothing, and `atomicwrites` has not
been kept since 2022.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write(path: Path, content: bytes, *, mode: int = 0o666, durable: bool = False) -> None:
    """Replace the file by one with this content; see `replacing`."""
    with replacing(path, mode=mode, durable=durable) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, *, mode: int = 0o666, durable: bool = False) -> Iterator[BinaryIO]:
    """Open the file that replaces `path` when the block ends; a block that fails changes nothing.

    Args:
        path: it may be missing; its folder may not.
        mode: the new file's, less the umask, whatever the old file's is.
        durable: content and name survive a power cut once the block has ended.

    Raises:
        OSError: the file cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    try:
        with open(new, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Without this a power cut may take the name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
