"""The values that the steps of a resumable upload exchange."""

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
    """The store of partial uploads; see `storage.partial_uploads`."""

    def create(self, upload: str) -> None:
        """Create an empty file; raises `StoreError`."""

    def begin(self, upload: str) -> PartialUpload:
        """Create and return an empty file, opened exclusively; raises `StoreBusy` if it exists."""

    def open(self, upload: str, *, alone: bool = False) -> PartialUpload:
        """Open a file exclusively and return it; raises `BlobMissing` or `StoreBusy`."""

    def size(self, upload: str) -> int:
        """Return the size of a file in bytes; raises `BlobMissing`."""

    def changed_at(self, upload: str) -> float:
        """Return when the last bytes were written, in unix seconds; 0 for a missing file.

        Raises `StoreError`.
        """

    def remove(self, upload: str) -> None:
        """Remove a file; a missing file is no error. Raises `StoreError`."""

    def discard(self, upload: str) -> None:
        """Remove the file of an upload that has ended; if this fails, the sweeper removes it."""

    def all(self) -> Iterator[tuple[str, float]]:
        """Yield the upload id of each file, and the unix seconds of its last change.

        Raises `StoreError`.
        """


@dataclass(frozen=True)
class UploadCreation:
    """A new upload as a client asks for it; `length` is in bytes, `None` if it is not known yet."""

    bucket: str
    key: str
    length: int | None
    options: UploadOptions = _NO_OPTIONS
    concat: Concat = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checksum:
    """The expected hash of one request's body; `algorithm` is a name of hashlib's.

    `announced` is the algorithm's name in Content-Digest if the client used that field (RFC 9530).
    """

    algorithm: str
    digest: bytes
    announced: str = ""


@dataclass(frozen=True)
class Announced:
    """The announcements of a request about its bytes.

    `length` (bytes, or `None`) and `digests` (by algorithm) are those of the whole upload.
    """

    checksums: tuple[Checksum, ...] = ()
    length: int | None = None
    digests: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """The progress of an upload: its offset in bytes, and its file when it is complete.

    `replayed`: an earlier request with the same Idempotency-Key has stored that file.
    """

    upload: Upload
    offset: int
    file: File | None = None
    replayed: bool = False

    @property
    def complete(self) -> bool:
        """Return whether all bytes have arrived."""
        return self.file is not None or self.offset == self.upload.length


@dataclass
class UploadSession:
    """A request that sends bytes, with exclusive use of the upload until the request ends."""

    principal: Principal
    upload: Upload
    part: PartialUpload
    lease: Lease
    offset: int
    checksums: tuple[Checksum, ...] = ()
    # Whether only this request knows the upload: if the request fails, no client can continue it.
    unknown: bool = False
    # Releases the reservation of the body.
    give_back: Callable[[], None] = lambda: None

    def written(self) -> int:
        """Return how many bytes of the body are on the disk; another thread may end the session."""
        with suppress(OSError):
            return max(0, self.part.size() - self.offset)
        return 0

    def release(self) -> None:
        """Let other requests use the upload."""
        try:
            self.part.close()
            self.lease.release()
        finally:
            self.give_back()


class ExceedsUpload(Exception):
    """A request carries more bytes than its upload accepts.

    `length` is the number of bytes of the request. `room` is the number of bytes that the upload
    still accepts. `most` is the maximum size of the upload.
    """

    def __init__(self, length: int, room: int, most: int) -> None:
        super().__init__(f"The request brings {length} bytes; the upload takes {room} more.")
        self.length, self.room, self.most = length, room, most


@dataclass
class IncomingBody:
    """The destination of a request's body.

    The stream server writes at most `length` bytes to `descriptor`, from `offset` on. The server
    calls `check` once, when `check_at` bytes are written; an error of `check` ends the body. The
    server calls `finish` when no more bytes will arrive. `finish` gets two arguments: whether the
    body is complete, and an error or `None`. The server passes `on_cancel` a function that ends the
    body, for a newer request that wants the upload. The server calls `received` several times a
    second with the number of bytes so far; `received` does not wait.
    """

    descriptor: int
    offset: int
    length: int
    finish: Callable[[bool, Exception | None], Progress]
    on_cancel: Callable[[Callable[[], None]], None]
    received: Callable[[int], None]
    check: Callable[[], None] | None = None
    check_at: int | None = None
    # Whether `finish` takes long when the whole body has arrived.
    takes_long: bool = False
