"""A store in memory: for tests, and to show what the contract asks."""

from __future__ import annotations

import io
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO

from wharf_upload.stores.base import BlobMissing, BlobName, Found, StoreError, StoreFull


class MemoryWriter:
    """Content in an unnamed temporary file, so that it has a descriptor as the contract asks."""

    def __init__(self, store: MemoryStore, name: BlobName) -> None:
        self._store, self._name = store, name
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 -- closed at the writer's end
        self._size = 0

    def descriptor(self) -> int:
        """The temporary file."""
        self._file.flush()
        return self._file.fileno()

    def write(self, data: bytes | memoryview) -> None:
        """Appends."""
        if self._store.free_bytes() < self._size + len(data):
            raise StoreFull("no room left")
        self._file.seek(self._size)
        self._file.write(data)
        self._size += len(data)

    def copy_from(self, descriptor: int, offset: int, length: int) -> None:
        """Appends a range of an open file."""
        while length:
            block = os.pread(descriptor, min(length, 1 << 20), offset)
            if not block:
                raise StoreError("the source ended early")
            self.write(block)
            offset += len(block)
            length -= len(block)

    def size(self) -> int:
        """Bytes so far."""
        return self._size

    def sync(self) -> None:
        """Memory is never durable."""

    def commit(self) -> None:
        """Makes the blob visible."""
        self._file.seek(0)
        self._store.put(self._name, self._file.read())
        self._file.close()

    def abort(self) -> None:
        """Forgets the content."""
        self._file.close()


class MemoryStore:
    """Blobs in a dictionary; `capacity` in bytes."""

    def __init__(self, capacity: int = 1 << 30) -> None:
        self._capacity = capacity
        self._blobs: dict[BlobName, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    def put(self, name: BlobName, content: bytes) -> None:
        """Makes a blob visible; raises `StoreError` when the name is taken."""
        with self._lock:
            if name in self._blobs:
                raise StoreError("the name is taken")
            if len(content) > self.free_bytes():
                raise StoreFull("no room left")
            self._blobs[name] = (content, time.time())

    def create(self, name: BlobName) -> MemoryWriter:
        """A writer for a new blob."""
        return MemoryWriter(self, name)

    def adopt(self, name: BlobName, spool_file: str) -> MemoryWriter:
        """A writer that holds a copy of the spool file: memory cannot link."""
        writer = MemoryWriter(self, name)
        try:
            with open(spool_file, "rb") as source:
                writer.copy_from(source.fileno(), 0, os.fstat(source.fileno()).st_size)
        except OSError as error:
            writer.abort()
            raise StoreError(f"the spooled body is gone: {error.strerror}") from error
        return writer

    def make_durable(self, names: list[BlobName]) -> None:
        """Memory is never durable; there is nothing to do."""

    def open(self, name: BlobName) -> BinaryIO:
        """The content."""
        try:
            return io.BytesIO(self._blobs[name][0])
        except KeyError:
            raise BlobMissing("no such blob") from None

    def internal_path(self, name: BlobName) -> str:
        """As on a local disk, though no gateway can see it."""
        return f"{name.tenant}/{name.blob}"

    def delete(self, name: BlobName) -> None:
        """Removes a blob."""
        self._blobs.pop(name, None)

    def blobs(self) -> Iterator[Found]:
        """All blobs."""
        for name, (content, changed_at) in list(self._blobs.items()):
            yield Found(name, len(content), changed_at)

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """Unnamed temporary files leave nothing."""
        return iter(())

    def remove_leftover(self, name: str) -> None:
        """There are none."""

    def free_bytes(self) -> int:
        """Room for new content."""
        return self._capacity - sum(len(content) for content, _ in self._blobs.values())

    def check(self) -> str | None:
        """Memory is always well."""
        return None
