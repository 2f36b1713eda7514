"""The bytes that users upload: windows of one random block, so that any part can be compared."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK_BYTES = 8 << 20
_BLOCK = memoryview(os.urandom(BLOCK_BYTES) * 2)
_PIECE = 256 << 10


@dataclass(frozen=True)
class Content:
    """`size` bytes of the endlessly repeated block, from the offset `begin`."""

    begin: int
    size: int

    @staticmethod
    def random(least: int, most: int) -> Content:
        """Return content of `least` to `most` random bytes. Small sizes are more likely."""
        size = int(least * (most / least) ** random.random())
        return Content(random.randrange(BLOCK_BYTES), size)

    def pieces(self, begin: int = 0, end: int | None = None) -> Iterator[memoryview]:
        """Yield the bytes from `begin` to `end` in small pieces."""
        last = self.size if end is None else end
        while begin < last:
            place = (self.begin + begin) % BLOCK_BYTES
            count = min(_PIECE, last - begin)
            yield _BLOCK[place : place + count]
            begin += count

    def part(self, begin: int = 0, end: int | None = None) -> bytes:
        """Return the bytes from `begin` to `end`."""
        return b"".join(self.pieces(begin, end))

    def sha256(self) -> str:
        """Return the digest as hexadecimal digits."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
            if self.size > _PIECE:
                time.sleep(0)  # under locust: lets the other users continue
        return digest.hexdigest()
