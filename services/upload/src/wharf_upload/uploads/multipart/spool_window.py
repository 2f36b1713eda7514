"""A window that moves over a spool file and finds a delimiter in it.

The window needs the memory of one buffer for a file of any size. If the C library has `memmem`, the
search calls `memmem` without the GIL, which is several times faster than `bytearray.find`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

from wharf_upload.storage.spool_file import SpoolFile

# Below this size a call through ctypes costs more time than it saves.
_SMALL_BYTES: Final = 4096


class TruncatedSpool(ValueError):
    """The file, or its announced size, ends before the requested bytes."""


def _load_memmem() -> Callable[[int, int, bytes, int], int | None] | None:
    """Return `memmem` of the C library, or `None` (POSIX has it only since 2024)."""
    try:
        memmem = ctypes.CDLL(None).memmem  # CDLL releases the GIL; PyDLL does not
    except (OSError, AttributeError):
        return None
    memmem.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)
    memmem.restype = ctypes.c_void_p
    return memmem


_MEMMEM: Final = _load_memmem()


class SpoolWindow:
    """A part of a file, read into one reusable buffer; the part moves forward during the search.

    All offsets are in bytes from the beginning of the file.
    """

    def __init__(self, spool: SpoolFile, size: int, delimiter: bytes, window_bytes: int) -> None:
        """Create a window over the first `size` bytes of a spool file; this reads nothing.

        The window has space for at least two delimiters, so that it always moves forward.
        """
        self.delimiter = delimiter
        self._spool = spool
        self._size = size
        self._buffer = bytearray(min(max(window_bytes, 2 * len(delimiter) + 2), max(size, 1)))
        self._view = memoryview(self._buffer)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._buffer))
        self._start = 0
        self._end = 0

    def cover(self, offset: int) -> None:
        """Read so much of the file that `find` can find a delimiter at `offset` or later.

        The window moves unless it already contains enough. The window reads overlapping bytes again
        from the page cache instead of copying them.

        Raises:
            TruncatedSpool: the rest of the file from `offset` is shorter than a delimiter.
        """
        if offset + len(self.delimiter) > self._size:
            raise TruncatedSpool
        if self._start <= offset and offset + len(self.delimiter) <= self._end:
            return
        self._start = offset
        self._end = offset + self._fill(offset)

    def find(self, offset: int) -> int:
        """Return the offset of the next delimiter at `offset` or later in the window, or -1."""
        begin, length = offset - self._start, self._end - offset
        if _MEMMEM is None or length < _SMALL_BYTES:
            found = self._buffer.find(self.delimiter, begin, self._end - self._start)
            return found if found < 0 else self._start + found
        address = _MEMMEM(self._address + begin, length, self.delimiter, len(self.delimiter))
        return -1 if address is None else self._start + address - self._address

    def settled(self) -> int:
        """Return the offset before which no delimiter begins, after `find` has returned -1."""
        return self._end - len(self.delimiter) + 1

    def view(self, start: int, end: int) -> memoryview:
        """Return the bytes between two offsets inside the window, without copying."""
        return self._view[start - self._start : end - self._start]

    def peek(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from any offset of the file; fewer only at the end of the file."""
        length = min(length, self._size - offset)
        if self._start <= offset and offset + length <= self._end:
            return bytes(self.view(offset, offset + length))
        return self._spool.read_at(offset, length)

    def _fill(self, offset: int) -> int:
        """Fill the buffer from `offset`, up to the announced size; return the number of bytes.

        Raises `TruncatedSpool` if the file ends before its announced size.
        """
        wanted = min(len(self._buffer), self._size - offset)
        count = 0
        while count < wanted:
            read = self._spool.read_into(self._view[count:wanted], offset + count)
            if not read:
                raise TruncatedSpool
            count += read
        return count
