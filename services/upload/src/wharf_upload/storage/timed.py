"""`TimedStore`, which measures every store and translates its errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from wharf_upload import timings
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
    as_spool_file,
)
from wharf_upload.storage.errors import StoreError, as_store_error, translating
from wharf_upload.storage.spool_file import SpoolFile


def _note_sync(begun: float) -> None:
    timings.ended(timings.FSYNC, begun)


class TimedReader:
    """A reader that translates errors into `StoreError`."""

    def __init__(self, reader: BlobReader) -> None:
        """Wrap a reader of the store."""
        self._reader = reader

    def size(self) -> int:
        """Return the size of the blob in bytes."""
        with translating:
            return self._reader.size()

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        with translating:
            return self._reader.read(size)

    def spool_file(self) -> SpoolFile | None:
        """Return the blob as a spool file if it is a local file, otherwise `None`."""
        return as_spool_file(self._reader)

    def close(self) -> None:
        """Close the reader."""
        with translating:
            self._reader.close()

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the reader."""
        self.close()


class TimedBlob:
    """Content that is not visible yet; translates errors into `StoreError`."""

    def __init__(self, pending: PendingBlob) -> None:
        """Wrap pending content of the store."""
        self._pending = pending

    def size(self) -> int:
        """Return the number of bytes so far."""
        return self._pending.size()

    def sync(self) -> None:
        """Do early as much of the work of `commit` as possible."""
        with translating:
            self._pending.sync()

    def commit(self, sha256: bytes | None = None) -> None:
        """Make the bytes durable, then visible."""
        with translating:
            self._pending.commit(sha256)

    def abort(self) -> None:
        """Discard the content."""
        self._pending.abort()


class TimedWriter(TimedBlob):
    """A writer that translates errors into `StoreError`."""

    def __init__(self, writer: BlobWriter) -> None:
        """Wrap a writer of the store."""
        super().__init__(writer)
        self._writer = writer

    def write(self, data: bytes | memoryview) -> None:
        """Append the bytes."""
        with translating:
            self._writer.write(data)

    def copy_range(self, spool: SpoolFile, offset: int, length: int) -> None:
        """Append a range of a spool file."""
        with translating:
            self._writer.copy_range(spool, offset, length)


class TimedStore:
    """A store that measures another store and translates its errors.

    The rest of the service uses only this class.
    """

    def __init__(self, store: StoreDriver) -> None:
        """Wrap a store; its waits count as the stage `fsync`."""
        self._store = store
        store.on_sync = _note_sync
        # This does no I/O, so nothing is measured or translated. It is called for each download.
        self.gateway_place: Callable[[BlobName], GatewayPlace] = store.gateway_place

    def create(self, name: BlobName) -> TimedWriter:
        """Return a writer for a new blob."""
        with translating:
            return TimedWriter(self._store.create(name))

    def adopt(self, name: BlobName, spool: SpoolFile) -> TimedBlob:
        """Return a new blob with the content of a spool file."""
        with translating:
            return TimedBlob(self._store.adopt(name, spool))

    def put(self, name: BlobName, content: bytes, sha256: bytes | None = None) -> None:
        """Store a small blob in one call."""
        try:  # faster than `translating`: every small upload calls this
            self._store.put(name, content, sha256)
        except OSError as error:
            raise as_store_error(error) from error

    def make_durable(self, names: list[BlobName]) -> None:
        """Make the names of committed blobs durable: afterwards they survive a power failure."""
        try:
            self._store.make_durable(names)
        except OSError as error:
            raise as_store_error(error) from error

    def open(self, name: BlobName) -> TimedReader:
        """Return a reader of the content."""
        with translating:
            return TimedReader(self._store.open(name))

    def delete(self, name: BlobName) -> None:
        """Remove a blob."""
        with translating:
            self._store.delete(name)

    def delete_all(self, names: list[BlobName]) -> list[BlobName]:
        """Remove blobs; return those that may still exist."""
        with translating:
            return self._store.delete_all(names)

    def blobs(self, made: Made | None = None) -> Iterator[Found]:
        """Yield the visible blobs."""
        with translating:
            yield from self._store.blobs(made)

    @property
    def lists_by_hour(self) -> bool:
        """Return whether listing the blobs of a few hours costs less than listing all blobs."""
        return self._store.lists_by_hour

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """Yield what unfinished writers left."""
        with translating:
            yield from self._store.leftovers()

    def remove_leftover(self, name: str) -> None:
        """Remove a leftover by a name that `leftovers` has yielded."""
        with translating:
            self._store.remove_leftover(name)

    def room(self) -> Room:
        """Return the present free space for new content."""
        try:
            return self._store.room()
        except OSError as error:
            raise as_store_error(error) from error

    def check(self) -> str | None:
        """Return what is wrong with the store, or `None`; an error of the check counts as wrong."""
        try:
            with translating:
                return self._store.check()
        except StoreError as error:
            return f"the store cannot be checked: {error}"
