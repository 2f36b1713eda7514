"""The bytes of a file as the sniffers read them: the head, and a function that reads the rest."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

#: The size of the head that is read first. Most formats are recognised from the head alone.
HEAD_BYTES: Final = 8192

#: Takes `offset` and `length`; returns `length` bytes from `offset` on, fewer at the file's end.
ReadAt = Callable[[int, int], bytes]


class Content:
    """A file of `size` bytes, or the first bytes of a file that is still being received.

    `size` is `None` while the file is being received. `head` is the first `HEAD_BYTES` bytes.
    Without `read_at` only the head can be read. `end` is the offset where the readable bytes end.
    """

    __slots__ = ("_read_at", "end", "head", "size")

    def __init__(self, head: bytes, size: int | None = None, read_at: ReadAt | None = None) -> None:
        self.head, self.size, self._read_at = head, size, read_at
        self.end = len(head) if read_at is None or size is None else size

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` on, fewer where the readable bytes end.

        `offset` and `length` may be numbers from the file, which may be negative or too large.
        """
        if offset < 0 or length <= 0 or offset >= self.end:
            return b""
        if self._read_at is None or offset + length <= len(self.head):
            return self.head[offset : offset + length]
        return self._read_at(offset, min(length, self.end - offset))

    def holds(self, magic: bytes, offset: int) -> bool:
        """Tell whether the file contains `magic` at `offset`."""
        return self.read(offset, len(magic)) == magic

    def may_hold(self, size: int) -> bool:
        """Tell whether the file has at least `size` bytes; true while its size is unknown."""
        return self.size is None or size <= self.size

    def numbers(self, layout: struct.Struct, offset: int) -> tuple[Any, ...] | None:
        """Return the fields of a header at `offset`, `None` if the readable bytes end inside it."""
        data = self.read(offset, layout.size)
        return layout.unpack(data) if len(data) == layout.size else None
