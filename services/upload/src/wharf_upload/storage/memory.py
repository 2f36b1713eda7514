"""A store in memory: for tests, and as an example of the contract."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Callable, Iterator

from wharf_upload.storage.base import BlobName, Found, GatewayPlace, Made, Room
from wharf_upload.storage.errors import BlobMissing, StoreError, StoreFull
from wharf_upload.storage.one_by_one import not_deleted, within
from wharf_upload.storage.spool_file import SpoolFile

_BLOCK_BYTES = 1 << 20


class MemoryReader(io.BytesIO):
    """A blob's content."""

    def size(self) -> int:
        """Return the size of the blob in bytes."""
        return len(self.getbuffer())


class MemoryWriter:
    """Content that is not in the dictionary yet."""

    def __init__(self, store: MemoryStore, name: BlobName) -> None:
        """Start with no bytes."""
        self._store, self._name = store, name
        self._content = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        """Append the bytes."""
        if self._store.free_bytes() < len(self._content) + len(data):
            raise StoreFull("the store is full")
        self._content += data

    def copy_range(self, spool: SpoolFile, offset: int, length: int) -> None:
        """Append a range of a spool file."""
        while length:
            block = spool.read_at(offset, min(length, _BLOCK_BYTES))
            if not block:
                raise StoreError("the source ended early")
            self.write(block)
            offset += len(block)
            length -= len(block)

    def size(self) -> int:
        """Return the number of bytes so far."""
        return len(self._content)

    def sync(self) -> None:
        """Do nothing: memory is never durable."""

    def commit(self, sha256: bytes | None = None) -> None:
        """Make the blob visible."""
        self._store.put(self._name, bytes(self._content), sha256)

    def abort(self) -> None:
        """Discard the content."""
        self._content = bytearray()


class MemoryStore:
    """Blobs in a dictionary; `capacity` is in bytes."""

    def __init__(self, capacity: int = 1 << 30) -> None:
        """Start without blobs."""
        self.on_sync: Callable[[float], None] = lambda _: None
        self.lists_by_hour = False
        self._capacity = capacity
        self._blobs: dict[BlobName, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    def put(self, name: BlobName, content: bytes, sha256: bytes | None = None) -> None:
        """Make a blob visible.

        Raises `StoreError` if the name is in use or the digest is wrong, and `StoreFull`.
        """
        if sha256 is not None and hashlib.sha256(content).digest() != sha256:
            raise StoreError("the content does not match its digest")
        with self._lock:
            if name in self._blobs:
                raise StoreError("the name is taken")
            if len(content) > self.free_bytes():
                raise StoreFull("the store is full")
            self._blobs[name] = (content, time.time())

    def create(self, name: BlobName) -> MemoryWriter:
        """Return a writer for a new blob."""
        return MemoryWriter(self, name)

    def adopt(self, name: BlobName, spool: SpoolFile) -> MemoryWriter:
        """Return a writer with a copy of the spool file: memory cannot adopt the file itself."""
        writer = MemoryWriter(self, name)
        writer.copy_range(spool, 0, spool.size)
        return writer

    def make_durable(self, names: list[BlobName]) -> None:
        """Do nothing: memory is never durable."""

    def open(self, name: BlobName) -> MemoryReader:
        """Return a reader of the content; raises `BlobMissing`."""
        try:
            return MemoryReader(self._blobs[name][0])
        except KeyError:
            raise BlobMissing("no such blob") from None

    def gateway_place(self, name: BlobName) -> GatewayPlace:
        """Return a location, although no gateway can read it."""
        return GatewayPlace(f"{name.tenant}/{name.blob}")

    def delete(self, name: BlobName) -> None:
        """Remove a blob."""
        self._blobs.pop(name, None)

    def delete_all(self, names: list[BlobName]) -> list[BlobName]:
        """Remove blobs."""
        return not_deleted(self, names)

    def blobs(self, made: Made | None = None) -> Iterator[Found]:
        """Yield all blobs."""
        all_blobs = list(self._blobs.items())
        return within((Found(name, len(it), at) for name, (it, at) in all_blobs), made)

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """Return an empty iterator: writers leave nothing."""
        return iter(())

    def remove_leftover(self, name: str) -> None:
        """Do nothing: this store has no leftovers."""

    def room(self) -> Room:
        """Return the free space for new content."""
        return Room(self.free_bytes())

    def free_bytes(self) -> int:
        """Return the number of free bytes."""
        return self._capacity - sum(len(content) for content, _ in list(self._blobs.values()))

    def check(self) -> str | None:
        """Return `None`: memory is always usable."""
        return None
