"""A spool file: a complete body on the local disk, from the gateway or of a resumable upload."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Protocol, Self

from wharf_upload.storage.errors import StoreError, translating

_BLOCK_BYTES = 1 << 20


class Hashing(Protocol):
    """A hash that takes the bytes of a file in their order."""

    def update(self, buffer: memoryview, /) -> object:
        """Add the next bytes."""


class SpoolFile:
    """An open body on the local disk; it stays readable after its owner has removed its path.

    `size` (bytes) and `inode` are the values at the time of opening. The methods that open or read
    the file raise `StoreError` for errors of the operating system.
    """

    __slots__ = ("_descriptor", "_owned", "inode", "path", "size")

    def __init__(self, path: str, descriptor: int, *, owned: bool) -> None:
        """Wrap an open descriptor; `close` closes it when it is `owned`."""
        status = os.fstat(descriptor)
        self.path, self.inode, self.size = path, status.st_ino, status.st_size
        self._descriptor, self._owned = descriptor, owned

    @classmethod
    def open(cls, path: str) -> Self:
        """Open the file at `path`; raises `StoreError` if it is missing or a symbolic link."""
        with translating:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            return cls(path, descriptor, owned=True)

    @classmethod
    def borrow(cls, path: str, descriptor: int) -> Self:
        """Wrap a descriptor; the caller closes it after the last use of this object."""
        with translating:
            return cls(path, descriptor, owned=False)

    def fileno(self) -> int:
        """Return the descriptor; only stores and copies inside the kernel need it."""
        return self._descriptor

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`; fewer only at the end of the file."""
        with translating:
            return os.pread(self._descriptor, length, offset)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill the buffer from `offset`; return the number of bytes, 0 at the end of the file."""
        with translating:
            return os.preadv(self._descriptor, [buffer], offset)

    def hash_into(self, hashing: Hashing, offset: int, length: int) -> None:
        """Hash a range (bytes); raises `StoreError` if the file is too short."""
        view = memoryview(bytearray(min(_BLOCK_BYTES, length)))
        end = offset + length
        while offset < end:
            count = self.read_into(view[: end - offset], offset)
            if not count:
                raise StoreError("the content ended early")
            hashing.update(view[:count])
            offset += count

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._owned and self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()
