"""Content that will become an object; no byte leaves this machine before `commit`."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from wharf_upload.storage.errors import StoreError
from wharf_upload.storage.spool_file import SpoolFile

# Takes a descriptor, its size in bytes, and the digest if it is known.
Send = Callable[[int, int, bytes | None], None]
_CANNOT_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_BLOCK_BYTES = 256 << 10


class SpooledObject:
    """A spool file that becomes an object.

    The content is read by a descriptor, so the owner of the file may remove the file's path.
    """

    def __init__(self, send: Send, spool: SpoolFile) -> None:
        """Borrow the file until `commit` or `abort`."""
        self._send, self._spool = send, spool

    def size(self) -> int:
        """Return the number of bytes."""
        return self._spool.size

    def sync(self) -> None:
        """Do nothing: the store needs the digest together with the bytes."""

    def commit(self, sha256: bytes | None = None) -> None:
        """Send the bytes; afterwards the object is durable and visible."""
        self._send(self._spool.fileno(), self._spool.size, sha256)

    def abort(self) -> None:
        """Do nothing: the owner of the file closes and removes it."""


class ObjectWriter:
    """Content that grows in a file without a name, in the folder of spool files."""

    def __init__(self, send: Send, folder: Path) -> None:
        """Create the file; it disappears when the process ends."""
        self._send = send
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 -- abort closes it
        self._size = 0

    def size(self) -> int:
        """Return the number of bytes so far."""
        return self._size

    def write(self, data: bytes | memoryview) -> None:
        """Append the bytes."""
        view = memoryview(data)
        while view:
            written = os.write(self._file.fileno(), view)
            view = view[written:]
            self._size += written

    def copy_range(self, spool: SpoolFile, offset: int, length: int) -> None:
        """Append a range of a spool file, inside the kernel where that is possible."""
        while length:
            copied = self._copy(spool, offset, length)
            if not copied:
                raise StoreError("the source ended early")
            offset += copied
            length -= copied
            self._size += copied

    def _copy(self, spool: SpoolFile, offset: int, length: int) -> int:
        try:
            return os.copy_file_range(spool.fileno(), self._file.fileno(), length, offset)
        except OSError as error:
            if error.errno not in _CANNOT_COPY:
                raise
        return os.write(self._file.fileno(), spool.read_at(offset, min(length, _BLOCK_BYTES)))

    def sync(self) -> None:
        """Do nothing: the file need not survive a crash."""

    def commit(self, sha256: bytes | None = None) -> None:
        """Send the bytes; afterwards the object is durable and visible."""
        try:
            self._send(self._file.fileno(), self._size, sha256)
        finally:
            self.abort()

    def abort(self) -> None:
        """Discard the content."""
        self._file.close()
