"""The atomic replacement of files: a reader gets the complete old or the complete new content.

The new content is written to a temporary file in the same folder, which is renamed at the end. Only
one writer may run at a time: several processes need a lock (`servicekit.file_lock`). After a crash
the next writer deletes the temporary file.

No library fits: `safer` does not sync files, portalocker does not replace files, and `atomicwrites`
has not been maintained since 2022.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write(path: Path, content: bytes, *, mode: int = 0o666, durable: bool = False) -> None:
    """Replace the content of a file; see `replacing`."""
    with replacing(path, mode=mode, durable=durable) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, *, mode: int = 0o666, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` when the block ends; if the block fails, nothing changes.

    Args:
        path: the file may be missing, but its folder must exist.
        mode: the mode of the new file, without the bits of the umask.
        durable: after the block, content and name survive a power cut.

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
    """Sync the folder, so that the new name survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
