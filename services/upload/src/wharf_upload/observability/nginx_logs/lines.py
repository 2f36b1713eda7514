"""The reader of nginx's log file: reads each line once and releases the space of read lines."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

_BLOCK_BYTES = 1 << 20
_KEEP_SIZE, _PUNCH_HOLE = 1, 2
# If the file system has no holes, the reader truncates a file of this size. A line that nginx
# writes at that moment is lost.
_CUT_BYTES = 64 << 20


class Lines:
    """Reads the lines after a position; `inode` and `offset` (in bytes) are the position.

    The next collector continues at the same position. The reader turns the read part of the file
    into a hole (fallocate(2)), which releases its space. The file keeps its length and nginx
    continues to append, so no line is lost or read twice. On a file system without holes the reader
    truncates a large file, and may lose a line.
    """

    def __init__(self, path: Path, inode: int = 0, offset: int = 0) -> None:
        self._path = path
        self.inode, self.offset = inode, offset
        self._descriptor = -1
        self._punch = _Punch()

    def read(self) -> list[bytes]:
        """Return the next complete lines, at most 1 MiB; none while the file does not exist."""
        if not self._open():
            return []
        block = os.pread(self._descriptor, _BLOCK_BYTES, self.offset)
        end = block.rfind(b"\n") + 1
        self.offset += end
        # A hole that begins within a block leaves zeros before the next line.
        return block[:end].lstrip(b"\0").splitlines()

    def forget(self) -> None:
        """Release the space of the lines that were read."""
        if self._descriptor < 0 or not self.offset:
            return
        if self._punch(self._descriptor, self.offset):
            return
        if self.offset > _CUT_BYTES:
            os.ftruncate(self._descriptor, 0)
            self.offset = 0

    def _open(self) -> bool:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return False
        if self._descriptor >= 0 and status.st_ino == os.fstat(self._descriptor).st_ino:
            if status.st_size < self.offset:
                self.offset = 0  # another process truncated the file
            return True
        self.close()
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        if status.st_ino != self.inode or status.st_size < self.offset:
            self.inode, self.offset = status.st_ino, 0
            with suppress(OSError):  # the file is only a hole, or the file system has no holes
                self.offset = os.lseek(self._descriptor, 0, os.SEEK_DATA)
        return True

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class _Punch:
    """A caller of fallocate(2) with FALLOC_FL_PUNCH_HOLE, which Python does not offer."""

    def __init__(self) -> None:
        self._call = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
        if self._call is not None:
            self._call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)

    def __call__(self, descriptor: int, end: int) -> bool:
        """Make a hole of all bytes before `end`; return false if the file system cannot do it."""
        if self._call is None:
            return False
        return bool(self._call(descriptor, _PUNCH_HOLE | _KEEP_SIZE, 0, end) == 0)
