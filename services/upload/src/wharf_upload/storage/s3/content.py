"""The content of requests: bytes, or ranges of an open file, with one block in memory at a time."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from wharf_upload.storage.errors import StoreError
from wharf_upload.storage.s3.signing import UNSIGNED

_BLOCK_BYTES = 256 << 10


class Content(NamedTuple):
    """A request body; `open` returns it from its start, once for each try."""

    open: Callable[[], bytes | Iterable[bytes]]
    size: int
    sha256: str = UNSIGNED
    md5: str = ""


def of_bytes(content: bytes, sha256: bytes | None) -> Content:
    """Return the body of a request that sends bytes in memory; compute an unknown digest."""
    digest = sha256 or hashlib.sha256(content).digest()
    return Content(lambda: content, len(content), digest.hex())


def whole_file(descriptor: int, size: int, sha256: bytes | None) -> Content:
    """Return the body of a request that sends a whole file; compute an unknown digest."""
    if sha256 is None:
        hashing = hashlib.sha256()
        for block in _blocks(descriptor, 0, size):
            hashing.update(block)
        sha256 = hashing.digest()
    return Content(lambda: _blocks(descriptor, 0, size), size, sha256.hex())


def part_of_file(descriptor: int, offset: int, length: int) -> Content:
    """Return the body of a request that sends a range of a file; the store verifies its MD5."""
    hashing = hashlib.md5(usedforsecurity=False)
    for block in _blocks(descriptor, offset, length):
        hashing.update(block)
    md5 = base64.b64encode(hashing.digest()).decode()
    return Content(lambda: _blocks(descriptor, offset, length), length, md5=md5)


def _blocks(descriptor: int, offset: int, length: int) -> Iterator[bytes]:
    """Yield a range (bytes) without moving the file's offset: threads can read in parallel."""
    end = offset + length
    while offset < end:
        block = os.pread(descriptor, min(_BLOCK_BYTES, end - offset), offset)
        if not block:
            raise StoreError("the content ended early")
        yield block
        offset += len(block)
