"""Two stores that act as one, while blobs move from the old one to the new one.

No record says which store has a blob, so the service tries both. A blob is complete in the new
store before it is removed from the old one, so that a reader that tries both always finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wharf_upload.storage.base import (
    BlobName,
    BlobReader,
    BlobWriter,
    Found,
    GatewayPlace,
    Made,
    PendingBlob,
    Room,
    StoreDriver,
)
from wharf_upload.storage.errors import BlobMissing
from wharf_upload.storage.spool_file import SpoolFile

_NEW, _OLD = "new:", "old:"


class MovingStore:
    """Writes to the new store, and reads and deletes in both stores.

    One of the two is the disk. The store reads the disk first, because the disk responds sooner.
    The gateway uses the same order.
    """

    def __init__(self, new: StoreDriver, old: StoreDriver, *, new_is_on_disk: bool = False) -> None:
        """Combine two stores; `new_is_on_disk` tells which of them is the disk."""
        self._new, self._old = new, old
        self._disk, self._objects = (new, old) if new_is_on_disk else (old, new)
        # Reading the folders of the disk costs the same for any time span.
        self.lists_by_hour = False

    @property
    def on_sync(self) -> Callable[[float], None]:
        """Return the function that both stores call after each wait for durability."""
        return self._new.on_sync

    @on_sync.setter
    def on_sync(self, called: Callable[[float], None]) -> None:
        self._new.on_sync = self._old.on_sync = called

    def create(self, name: BlobName) -> BlobWriter:
        """Return a writer for a new blob in the new store."""
        return self._new.create(name)

    def adopt(self, name: BlobName, spool: SpoolFile) -> PendingBlob:
        """Return a new blob in the new store with the content of a spool file."""
        return self._new.adopt(name, spool)

    def put(self, name: BlobName, content: bytes, sha256: bytes | None = None) -> None:
        """Store a small blob in the new store."""
        self._new.put(name, content, sha256)

    def make_durable(self, names: list[BlobName]) -> None:
        """Make the names of committed blobs durable; they are in the new store."""
        self._new.make_durable(names)

    def open(self, name: BlobName) -> BlobReader:
        """Return a reader from the store that has the blob; raises `BlobMissing`."""
        # The disk is read twice: a blob may move to the disk after the first attempt.
        for store in (self._disk, self._objects):
            try:
                return store.open(name)
            except BlobMissing:
                continue
        return self._disk.open(name)

    def gateway_place(self, name: BlobName) -> GatewayPlace:
        """Return both places; the gateway tries the disk before the object store."""
        location = self._disk.gateway_place(name).location
        return GatewayPlace(location, self._objects.gateway_place(name).signed, on_disk=True)

    def delete(self, name: BlobName) -> None:
        """Remove a blob from both stores."""
        self._new.delete(name)
        self._old.delete(name)

    def delete_all(self, names: list[BlobName]) -> list[BlobName]:
        """Remove blobs from both stores; return those that may still exist in one of them."""
        left = {*self._new.delete_all(names), *self._old.delete_all(names)}
        return [name for name in names if name in left]

    def blobs(self, made: Made | None = None) -> Iterator[Found]:
        """Yield the blobs of both stores; a blob in both stores is yielded once.

        The old store comes first, so that no blob is missed. Only a blob that moves during the call
        may be yielded twice.
        """
        for store in (self._old, self._new):
            for found in store.blobs(made):
                if store is self._disk or not self._is_on_disk(found.name):
                    yield found

    def _is_on_disk(self, name: BlobName) -> bool:
        try:
            self._disk.open(name).close()
        except BlobMissing:
            return False
        return True

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """Yield the leftovers of both stores; a prefix of each name states the store."""
        for store, mark in ((self._new, _NEW), (self._old, _OLD)):
            for name, changed_at in store.leftovers():
                yield f"{mark}{name}", changed_at

    def remove_leftover(self, name: str) -> None:
        """Remove a leftover from the store that the prefix of its name states."""
        store = self._old if name.startswith(_OLD) else self._new
        store.remove_leftover(name.removeprefix(_OLD).removeprefix(_NEW))

    def room(self) -> Room:
        """Return the free space of the new store."""
        return self._new.room()

    def check(self) -> str | None:
        """Return what is wrong with either store: reading needs both."""
        return self._new.check() or self._old.check()
