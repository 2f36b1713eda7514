"""A store in memory that lists by hour, as an object store does, and records its calls."""

from __future__ import annotations

from collections.abc import Iterator

from wharf_upload.storage.base import BlobName, Found, Made
from wharf_upload.storage.memory import MemoryReader, MemoryStore


class HourlyStore(MemoryStore):
    """A store that records its calls in `listed`, `opened` and `deleted`. `delete_all`
    does not remove the blobs in `stuck`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lists_by_hour = True
        self.listed: list[Made | None] = []
        self.deleted: list[int] = []
        self.opened: list[BlobName] = []
        self.stuck: set[BlobName] = set()
        self.unfinished: list[tuple[str, float]] = []
        self.looks_for_unfinished = 0

    def blobs(self, made: Made | None = None) -> Iterator[Found]:
        """Yield all blobs, or the blobs of the time span `made`, and record the call."""
        self.listed.append(made)
        return super().blobs(made)

    def open(self, name: BlobName) -> MemoryReader:
        """Return the content and record the call."""
        self.opened.append(name)
        return super().open(name)

    def delete_all(self, names: list[BlobName]) -> list[BlobName]:
        """Remove blobs, record their number, and return the names of blobs that stay."""
        self.deleted.append(len(names))
        for name in set(names) - self.stuck:
            self.delete(name)
        return [name for name in names if name in self.stuck]

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """Yield the leftovers that a test has set."""
        self.looks_for_unfinished += 1
        yield from self.unfinished

    def names(self) -> set[BlobName]:
        """Return the names of all blobs without recording a call."""
        return {found.name for found in super().blobs()}
