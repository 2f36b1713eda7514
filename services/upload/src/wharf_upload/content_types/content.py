"""The bytes of a file as the sniffers see them: its head, and a way to the rest of it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

#: How many bytes of a file are looked at first; most formats are told by them alone.
HEAD_BYTES: Final = 8192

#: Returns bytes of the file: `length` of them from `offset` on, fewer at its end.
ReadAt = Callable[[int, int], bytes]


class Content:
    """A file of `size` bytes, or the first bytes of one that is still coming (`size` is `None`).

    `head` holds its first `HEAD_BYTES` bytes; without `read_at` there is no more to be had. `end`
    is where the bytes end that can be read.
    """

    __slots__ = ("_read_at", "end", "head", "size")

    def __init__(self, head: bytes, size: int | None = None, read_at: ReadAt | None = None) -> None:
        self.head, self.size, self._read_at = head, size, read_at
        self.end = len(head) if read_at is None or size is None else size

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` on; fewer where the bytes end.

        Both may be any number that a file has of itself.
        """
        if offset < 0 or length <= 0 or offset >= self.end:
            return b""
        if self._read_at is None or offset + length <= len(self.head):
            return self.head[offset : offset + length]
        return self._read_at(offset, min(length, self.end - offset))

    def holds(self, magic: bytes, offset: int) -> bool:
        """Tell whether `magic` stands at `offset`."""
        return self.read(offset, len(magic)) == magic

    def may_hold(self, size: int) -> bool:
        """Tell whether the file has `size` bytes, or may have them when it has come."""
        return self.size is None or size <= self.size

    def numbers(self, layout: struct.Struct, offset: int) -> tuple[Any, ...] | None:
        """Return the numbers of a header at `offset`; `None` where the bytes end before it does."""
        data = self.read(offset, layout.size)
        return layout.unpack(data) if len(data) == layout.size else None
