"""The contract of a blob store.

A blob is immutable, has a name that the service chose, and belongs to a tenant. A blob becomes
visible under its name only at `commit`, and survives a power cut once `make_durable` has
returned for it. Names and lengths never come from a client.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol


class StoreError(Exception):
    """The store failed. Nothing became visible."""


class StoreFull(StoreError):
    """There is no room left."""


class StoreBusy(StoreError):
    """The process has no descriptor or memory left for this; later it may have."""


class BlobMissing(StoreError):
    """There is no blob of this name."""


@dataclass(frozen=True, slots=True)
class BlobName:
    """A blob's tenant and identifier (32 hexadecimal digits)."""

    tenant: str
    blob: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a listing shows: a blob, its size in bytes, its age as unix seconds of last change."""

    name: BlobName
    size: int
    changed_at: float


class Writer(Protocol):
    """Content on its way in. Ends with `commit` or `abort`; `abort` after `commit` does nothing."""

    def descriptor(self) -> int:
        """A readable file descriptor of the content so far."""

    def write(self, data: bytes | memoryview) -> None:
        """Appends; raises `StoreFull` or `StoreError`."""

    def copy_from(self, descriptor: int, offset: int, length: int) -> None:
        """Appends a range (bytes) of an open file, inside the kernel where that is possible."""

    def size(self) -> int:
        """Bytes so far."""

    def sync(self) -> None:
        """Makes the bytes so far durable; `commit` does so too, this only does it earlier."""

    def commit(self) -> None:
        """Makes the bytes durable, then visible under the name; raises `StoreError`.

        The name itself is durable only after the store's `make_durable`.
        """

    def abort(self) -> None:
        """Forgets the content; the spool file that was adopted stays its owner's."""


class BlobStore(Protocol):
    """Keeps blobs. All methods are safe to call from several threads and processes."""

    def create(self, name: BlobName) -> Writer:
        """A writer for a new blob."""

    def adopt(self, name: BlobName, spool_file: str) -> Writer:
        """A writer that already holds a spool file's content, without copying it.

        The content survives the removal of the spool file by its owner. Raises `StoreError` when
        the file is gone.
        """

    def put(self, name: BlobName, content: bytes) -> None:
        """Stores a small blob in one go: `create`, `write` and `commit` together."""

    def make_durable(self, names: list[BlobName]) -> None:
        """Returns when the names of committed blobs survive a power cut. One call for many."""

    def open(self, name: BlobName) -> BinaryIO:
        """The content, to read; raises `BlobMissing`."""

    def internal_path(self, name: BlobName) -> str:
        """Where the gateway finds the blob below its internal location."""

    def delete(self, name: BlobName) -> None:
        """Removes a blob; one that is missing is no error."""

    def blobs(self) -> Iterator[Found]:
        """All visible blobs of all tenants, in no order."""

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """What unfinished writers left behind: an opaque name and unix seconds of last change."""

    def remove_leftover(self, name: str) -> None:
        """Removes one of `leftovers`."""

    def free_bytes(self) -> int:
        """Room for new content."""

    def check(self) -> str | None:
        """What is wrong with the store, or `None`."""
