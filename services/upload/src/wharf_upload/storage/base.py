"""The contract of a blob store.

A blob is immutable, has a name that the service chose, and belongs to a tenant. A blob becomes
visible under its name only at `commit`. The blob survives a power failure once `make_durable` has
returned for it. Names and lengths never come from a client.

An implementation may raise `OSError`, even for errors of sockets. `storage.timed.TimedStore` wraps
every store and translates these errors: the rest of the service sees only `StoreError` and its
subclasses.

The contract has no descriptors and no paths, with one exception: the spool file, a local file with
a whole body. A store on the same disk gives that file another name. Any other store copies the
bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from wharf_upload.storage.errors import BlobMissing as BlobMissing
from wharf_upload.storage.errors import StoreBusy as StoreBusy
from wharf_upload.storage.errors import StoreError as StoreError
from wharf_upload.storage.errors import StoreFull as StoreFull
from wharf_upload.storage.errors import StoreUnavailable as StoreUnavailable
from wharf_upload.storage.spool_file import SpoolFile

# How long the gateway may use `GatewayPlace.signed`, in seconds. The time is longer than the
# gateway caches a decision while the database is unavailable
# (deploy/nginx/conf.d/sharing.conf.template).
SIGNED_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class BlobName:
    """A blob's tenant and identifier: a UUID of version 7 as 32 hexadecimal digits (RFC 9562)."""

    tenant: str
    blob: str

    @property
    def made_at(self) -> float:
        """Return when the identifier was created, in unix seconds (RFC 9562 section 5.7)."""
        return int(self.blob[:12], 16) / 1000


@dataclass(frozen=True, slots=True)
class Found:
    """An entry of a listing: a blob, its size in bytes, and the unix seconds of its last change."""

    name: BlobName
    size: int
    changed_at: float


class GatewayPlace(NamedTuple):
    """The places where the gateway finds a blob: `signed`, `on_disk`, or both.

    `location` is the blob's path below the folder of blobs on the disk. For every store, `location`
    is also the name of the blob's small pictures; it is relative and contains no dots. `signed` is
    the path and query by which the gateway may read the blob from the object store for
    `SIGNED_SECONDS`; `signed` is empty if the blob is not in an object store. With `on_disk`, the
    gateway tries the disk first.
    """

    location: str
    signed: str = ""
    on_disk: bool = True


class Room(NamedTuple):
    """The free space for new content: bytes and inodes.

    `inodes` is `None` if the filesystem does not count them.
    """

    bytes: int
    inodes: int | None = None
    read_only: bool = False


class Made(NamedTuple):
    """A time span in unix seconds, including `since` and excluding `until`."""

    since: float
    until: float


class BlobReader(Protocol):
    """A reader of a blob's content; it works even after the blob was deleted."""

    def size(self) -> int:
        """Return the size of the blob in bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, or all remaining bytes; empty only at the end."""

    def close(self) -> None:
        """Close the reader; unread bytes are dropped."""

    def __enter__(self) -> Self:
        """Return the reader itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the reader."""


def as_spool_file(reader: BlobReader) -> SpoolFile | None:
    """Return a blob that is a local file as a spool file, otherwise `None`.

    The spool file is valid until the reader is closed.
    """
    spool_file: Callable[[], SpoolFile | None] | None = getattr(reader, "spool_file", None)
    return spool_file() if spool_file else None


class PendingBlob(Protocol):
    """Content that is not visible yet; it ends with `commit` or `abort`."""

    def size(self) -> int:
        """Return the number of bytes so far."""

    def sync(self) -> None:
        """Do early as much of the work of `commit` as possible.

        Afterwards the bytes so far are as durable as the store can make them without the digest. A
        failure is final: `commit` then also fails.
        """

    def commit(self, sha256: bytes | None = None) -> None:
        """Make the bytes durable, then visible under the name.

        The service uses a name for one content only, and repeats a commit only if the response was
        lost. A store that knows the existing names refuses the repetition; an object store stores
        the same bytes again. `sha256` is the digest of the content; a store verifies it if it can.
        The name itself is durable only after the store's `make_durable`. A failed commit leaves
        nothing visible, unless only its response was lost: then the sweeper removes the blob,
        because no record names it.
        """

    def abort(self) -> None:
        """Discard the content; raises nothing, and does nothing after `commit`."""


class BlobWriter(PendingBlob, Protocol):
    """Content that the caller writes piece by piece."""

    def write(self, data: bytes | memoryview) -> None:
        """Append the bytes."""

    def copy_range(self, spool: SpoolFile, offset: int, length: int) -> None:
        """Append a range (bytes) of a spool file, inside the kernel where that is possible."""


class BlobStore(Protocol):
    """A store of blobs; several threads and processes may call all methods concurrently."""

    def create(self, name: BlobName) -> BlobWriter:
        """Return a writer for a new blob."""

    def adopt(self, name: BlobName, spool: SpoolFile) -> PendingBlob:
        """Return a new blob with the content of a spool file.

        Until `commit` or `abort`, the caller keeps `spool` open, and no process may write to the
        file. After this call the owner of the file may remove the file's path. Raises `StoreBusy`
        if another file has taken the path, and `StoreError` if the path was removed and the store
        needs it.
        """

    def put(self, name: BlobName, content: bytes, sha256: bytes | None = None) -> None:
        """Store a small blob in one call: `create`, `write` and `commit` together."""

    def make_durable(self, names: list[BlobName]) -> None:
        """Make the names of committed blobs durable: afterwards they survive a power failure."""

    def open(self, name: BlobName) -> BlobReader:
        """Return a reader of the content; raises `BlobMissing`."""

    def gateway_place(self, name: BlobName) -> GatewayPlace:
        """Return where the gateway finds the blob; does no I/O."""

    def delete(self, name: BlobName) -> None:
        """Remove a blob; a missing blob is no error."""

    def delete_all(self, names: list[BlobName]) -> list[BlobName]:
        """Remove blobs in as few requests as possible; return those that may still exist.

        A failure for one blob does not keep the method from removing the others.
        """

    def blobs(self, made: Made | None = None) -> Iterator[Found]:
        """Yield the visible blobs of all tenants, in no order.

        `made` limits the result to names that were created in this span. A store whose
        `lists_by_hour` is true then reads only this part of the list.
        """

    @property
    def lists_by_hour(self) -> bool:
        """Return whether listing the blobs of a few hours costs less than listing all blobs."""

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """Yield the files and uploads that unfinished writers left.

        Each entry is an opaque name, and the unix seconds of the last change.
        """

    def remove_leftover(self, name: str) -> None:
        """Remove one of the leftovers that `leftovers` yields; a missing leftover is no error."""

    def room(self) -> Room:
        """Return the present free space for new content."""

    def check(self) -> str | None:
        """Return a description of what is wrong with the store, or `None`."""


class StoreDriver(BlobStore, Protocol):
    """A store that `TimedStore` wraps: it may raise `OSError`, and reports its waits for fsync."""

    # The store calls this function after each wait for durability, with the `time.perf_counter()`
    # of the start of the wait. `TimedStore` sets it.
    on_sync: Callable[[float], None]
