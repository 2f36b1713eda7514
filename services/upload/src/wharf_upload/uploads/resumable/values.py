"""What passes between the steps of a resumable upload."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from servicekit.tokens import Principal
from wharf_upload.domain.files import File
from wharf_upload.domain.resumable_upload import Concat, Upload, UploadOptions
from wharf_upload.storage.partial_uploads import PartialUpload
from wharf_upload.uploads.resumable.leases import Lease

_NO_OPTIONS = UploadOptions()


class PartialUploads(Protocol):
    """The growing files of resumable uploads; see `storage.partial_uploads`."""

    def create(self, upload: str) -> None:
        """Make an empty one; raises `StoreError`."""

    def begin(self, upload: str) -> PartialUpload:
        """Return a new, empty one for this caller alone; raises `StoreBusy` where there is one."""

    def open(self, upload: str, *, alone: bool = False) -> PartialUpload:
        """Return it for this caller alone; raises `BlobMissing` or `StoreBusy`."""

    def size(self, upload: str) -> int:
        """Return its size in bytes; raises `BlobMissing`."""

    def changed_at(self, upload: str) -> float:
        """Return when its last bytes came, in unix seconds; 0 for none."""

    def remove(self, upload: str) -> None:
        """Remove it; one that is missing is no error."""

    def all(self) -> Iterator[tuple[str, float]]:
        """Yield upload id, and unix seconds of the last change."""


@dataclass(frozen=True)
class UploadCreation:
    """A new upload, as either protocol says it. `length` is in bytes, `None`: not known yet."""

    bucket: str
    key: str
    length: int | None
    options: UploadOptions = _NO_OPTIONS
    concat: Concat = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checksum:
    """What the body of one request must hash to; `algorithm` is one of hashlib's.

    `announced` is its name in Content-Digest, where it came from there (RFC 9530).
    """

    algorithm: str
    digest: bytes
    announced: str = ""


@dataclass(frozen=True)
class Announced:
    """What a request says of its bytes.

    `length` (bytes, or `None`) and `digests` (by algorithm) are those of the whole upload.
    """

    checksums: tuple[Checksum, ...] = ()
    length: int | None = None
    digests: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """How far an upload is: `offset` bytes are there. `file` when it has become one.

    `replayed`: an earlier request with the same Idempotency-Key has stored that file.
    """

    upload: Upload
    offset: int
    file: File | None = None
    replayed: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.file is not None or self.offset == self.upload.length


@dataclass
class UploadSession:
    """A request that brings bytes, with the upload to itself until it ends."""

    principal: Principal
    upload: Upload
    part: PartialUpload
    lease: Lease
    offset: int
    checksums: tuple[Checksum, ...] = ()
    # Whether only this request knows the upload: if it breaks, no client can go on.
    unknown: bool = False
    # Gives back what is reserved for the body.
    give_back: Callable[[], None] = lambda: None

    def written(self) -> int:
        """Return how many bytes of the body are on the disk; another thread may end it now."""
        with suppress(OSError):
            return max(0, self.part.size() - self.offset)
        return 0

    def release(self) -> None:
        """Let other requests have the upload."""
        try:
            self.part.close()
            self.lease.release()
        finally:
            self.give_back()


class ExceedsUpload(Exception):
    """A request brings more bytes than its upload takes.

    `length`: the bytes of the request; `room`: the bytes that may follow; `most`: the bytes that
    the upload may have in all.
    """

    def __init__(self, length: int, room: int, most: int) -> None:
        super().__init__(f"The request brings {length} bytes; the upload takes {room} more.")
        self.length, self.room, self.most = length, room, most


@dataclass
class IncomingBody:
    """Where the body of a request goes.

    `descriptor` is written from `offset` on, at most `length` bytes. `check` is called once when
    `check_at` bytes are there; what it raises ends the body. `finish` is called when no more bytes
    come, with whether all of them came, and an error or none. `on_cancel` is told how to end the
    body when a newer request wants the upload. `received` is told several times a second how
    many bytes there are; it does not wait.
    """

    descriptor: int
    offset: int
    length: int
    finish: Callable[[bool, Exception | None], Progress]
    on_cancel: Callable[[Callable[[], None]], None]
    received: Callable[[int], None]
    check: Callable[[], None] | None = None
    check_at: int | None = None
    # Whether `finish` takes long when all has come.
    takes_long: bool = False
