"""The set of blobs that a listing has shown; each blob takes eight bytes of memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from wharf_upload.storage.base import Found

_PARTS = 256


class ListedBlobs:
    """Blobs and their sizes, stored as hash values.

    Among ten million blobs, two have the same hash value with a probability below 1 in 100,000.
    """

    def __init__(self) -> None:
        """Create an empty set."""
        # Many parts, so that sorting one of them needs little memory.
        self._parts = [array("Q") for _ in range(_PARTS)]
        self._is_sorted = True

    def noting(self, blobs: Iterable[Found]) -> Iterator[Found]:
        """Yield the given blobs, and add each of them."""
        for found in blobs:
            number = _number(found.name.tenant, found.name.blob, found.size)
            self._parts[number % _PARTS].append(number)
            self._is_sorted = False
            yield found

    def add_all(self, blobs: Iterable[Found]) -> None:
        """Add blobs."""
        for _ in self.noting(blobs):
            pass

    def has(self, tenant: str, blob: str, size: int) -> bool:
        """Tell whether a blob of this size was added."""
        if not self._is_sorted:
            for number, part in enumerate(self._parts):
                self._parts[number] = array("Q", sorted(part))
            self._is_sorted = True
        wanted = _number(tenant, blob, size)
        part = self._parts[wanted % _PARTS]
        place = bisect_left(part, wanted)
        return place < len(part) and part[place] == wanted


def _number(tenant: str, blob: str, size: int) -> int:
    digest = blake2b(f"{tenant}/{blob}/{size}".encode(), digest_size=8)
    return int.from_bytes(digest.digest())
