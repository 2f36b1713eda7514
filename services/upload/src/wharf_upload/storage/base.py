"""The contract of a blob store.

A blob is immutable, has a name that the service chose, and belongs to a tenant. A blob becomes
visible under its name only at `commit`, and survives a power cut once `make_durable` has
returned for it. Names and lengths never come from a client.

An implementation may raise `OSError`, of sockets too. `storage.timed.TimedStore` wraps each one
and translates: the rest of the service sees nothing but `StoreError` and its kinds.

The contract knows no descriptors and no paths. The one exception is the spool file: a local file
that holds a whole body. A store on the same disk gives that file another name, any other store
copies the bytes.
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

# How long the gateway may use `GatewayPlace.signed`, in seconds: longer than the gateway keeps a
# decision while the database is away (deploy/nginx/conf.d/sharing.conf.template).
SIGNED_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class BlobName:
    """A blob's tenant and identifier: a UUID of version 7 as 32 hexadecimal digits (RFC 9562)."""

    tenant: str
    blob: str

    @property
    def made_at(self) -> float:
        """When the identifier was made, in unix seconds (RFC 9562 section 5.7)."""
        return int(self.blob[:12], 16) / 1000


@dataclass(frozen=True, slots=True)
class Found:
    """What a listing shows: a blob, its size in bytes, its age as unix seconds of last change."""

    name: BlobName
    size: int
    changed_at: float


class GatewayPlace(NamedTuple):
    """Where the gateway finds a blob. At least one of `signed` and `on_disk` is there.

    `location` is relative and without dots: the blob's path below the folder of blobs on the disk,
    and the name of its small pictures whatever store has it. `signed` is the path and query by
    which the gateway may read the blob from the object store for `SIGNED_SECONDS`; empty where the
    blob is in none. `on_disk` tells to look at the disk first.
    """

    location: str
    signed: str = ""
    on_disk: bool = True


class Room(NamedTuple):
    """Room for new content: bytes, and files that can be made.

    `inodes` is `None` where the filesystem does not count them.
    """

    bytes: int
    inodes: int | None = None
    read_only: bool = False


class Made(NamedTuple):
    """A span of time, in unix seconds: from `since` up to and without `until`."""

    since: float
    until: float


class BlobReader(Protocol):
    """A blob's content, from its beginning to its end. Outlives the blob's deletion."""

    def size(self) -> int:
        """Return the size of the blob in bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, or all that follow; empty at the end only."""

    def close(self) -> None:
        """Give up the rest."""

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
    """Return a blob as a spool file, where it is a local file; good until the reader is closed."""
    spool_file: Callable[[], SpoolFile | None] | None = getattr(reader, "spool_file", None)
    return spool_file() if spool_file else None


class PendingBlob(Protocol):
    """Content that is not visible yet. Ends with `commit` or `abort`."""

    def size(self) -> int:
        """Return the number of bytes so far."""

    def sync(self) -> None:
        """Begin early with what `commit` has to do for the bytes so far.

        On return they are as durable as the store can make them before it knows the digest. A
        failure is final: `commit` fails too.
        """

    def commit(self, sha256: bytes | None = None) -> None:
        """Make the bytes durable, then visible under the name.

        The service uses a name for one content only, and asks again only after an answer that was
        lost. A store that knows which names are taken refuses; an object store takes the same bytes
        once more. `sha256` is the digest of the content; a store that can verifies it. The name
        itself is durable only after the store's `make_durable`. A commit that fails leaves nothing
        visible, unless its answer was lost: the sweeper removes what no record names.
        """

    def abort(self) -> None:
        """Forget the content; raises nothing, and does nothing after `commit`."""


class BlobWriter(PendingBlob, Protocol):
    """Content that comes piece by piece."""

    def write(self, data: bytes | memoryview) -> None:
        """Append the bytes."""

    def copy_range(self, spool: SpoolFile, offset: int, length: int) -> None:
        """Append a range (bytes) of a spool file, inside the kernel where that is possible."""


class BlobStore(Protocol):
    """Keeps blobs. All methods are safe to call from several threads and processes."""

    def create(self, name: BlobName) -> BlobWriter:
        """Return a writer for a new blob."""

    def adopt(self, name: BlobName, spool: SpoolFile) -> PendingBlob:
        """Return a new blob that holds a spool file's content.

        The caller keeps `spool` open until `commit` or `abort`, and nobody writes to it any more.
        Its owner may remove its path from now on. Raises `StoreBusy` when another file has taken
        its path, and `StoreError` when the path is gone and the store needs it.
        """

    def put(self, name: BlobName, content: bytes, sha256: bytes | None = None) -> None:
        """Store a small blob in one go: `create`, `write` and `commit` together."""

    def make_durable(self, names: list[BlobName]) -> None:
        """Return when the names of committed blobs survive a power cut. One call for many."""

    def open(self, name: BlobName) -> BlobReader:
        """Return the content; raises `BlobMissing`."""

    def gateway_place(self, name: BlobName) -> GatewayPlace:
        """Return where the gateway finds the blob. No I/O."""

    def delete(self, name: BlobName) -> None:
        """Remove a blob; one that is missing is no error."""

    def delete_all(self, names: list[BlobName]) -> list[BlobName]:
        """Remove blobs, in as few requests as the store allows; return those that may be left.

        A failure with one does not keep the others.
        """

    def blobs(self, made: Made | None = None) -> Iterator[Found]:
        """Yield the visible blobs of all tenants, in no order.

        `made`: only those whose names were made in this span. A store whose `lists_by_hour` is true
        then lists nothing else.
        """

    @property
    def lists_by_hour(self) -> bool:
        """Whether a list of a few hours' blobs costs less than one of all blobs."""

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """Yield what unfinished writers left: an opaque name and unix seconds of last change."""

    def remove_leftover(self, name: str) -> None:
        """Remove one of `leftovers`; one that is missing is no error."""

    def room(self) -> Room:
        """Return the room for new content, as it is now."""

    def check(self) -> str | None:
        """Return what is wrong with the store, or `None`."""


class StoreDriver(BlobStore, Protocol):
    """A store before `TimedStore` wraps it: it may raise `OSError`, and reports its waits."""

    # Called after each wait for the medium to make something durable, with the
    # `time.perf_counter()` at which the wait began. `TimedStore` sets it.
    on_sync: Callable[[float], None]
