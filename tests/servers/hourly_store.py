"""A store in memory that lists by hour, as an object store does, and notes what it was asked."""

from __future__ import annotations

from collections.abc import Iterator

from wharf_upload.storage.base import BlobName, Found, Made
from wharf_upload.storage.memory import MemoryReader, MemoryStore


class HourlyStore(MemoryStore):
    """`listed` and `deleted` say what was asked; blobs that are `stuck` cannot be removed."""

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
        """Yield all blobs."""
        self.listed.append(made)
        return super().blobs(made)

    def open(self, name: BlobName) -> MemoryReader:
        """Return the content."""
        self.opened.append(name)
        return super().open(name)

    def delete_all(self, names: list[BlobName]) -> list[BlobName]:
        """Remove blobs."""
        self.deleted.append(len(names))
        for name in set(names) - self.stuck:
            self.delete(name)
        return [name for name in names if name in self.stuck]

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """Yield what a test has put there."""
        self.looks_for_unfinished += 1
        yield from self.unfinished

    def names(self) -> set[BlobName]:
        """All blobs, without a note."""
        return {found.name for found in super().blobs()}
