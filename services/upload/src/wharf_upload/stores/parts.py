"""Files of resumable uploads while they grow: `resumable/<upload id>`.

Their size on the disk is the offset that a client is told, so that it is never larger than what is
there. When all has come, the file gets a second name as a blob, and loses this one when the record
is there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from wharf_upload.stores.base import BlobMissing, BlobName, StoreBusy
from wharf_upload.stores.local import LocalStore, translated

_BLOB_MODE, _PART_MODE = 0o440, 0o600


class Part:
    """An open part; `close` it. Whoever has it open has it alone (`flock`)."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path, self.descriptor = path, descriptor

    @property
    def path(self) -> str:
        """For the digest follower, which watches the folder."""
        return self._path

    def size(self) -> int:
        """Bytes so far."""
        return os.fstat(self.descriptor).st_size

    def truncate(self, size: int) -> None:
        """Gives up what lies behind `size` bytes; raises `StoreError`."""
        try:
            os.ftruncate(self.descriptor, size)
        except OSError as error:
            raise translated(error) from error

    def append(self, source: int, length: int) -> None:
        """Copies an open file's first `length` bytes to the end, inside the kernel."""
        try:
            offset_in, offset_out = 0, self.size()
            while offset_in < length:
                copied = os.copy_file_range(
                    source, self.descriptor, length - offset_in, offset_in, offset_out
                )
                if not copied:
                    raise BlobMissing("a part is shorter than it was")
                offset_in += copied
                offset_out += copied
        except OSError as error:
            raise translated(error) from error

    def close(self) -> None:
        """Lets others have it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Parts:
    """The growing files of one store, on its file system."""

    def __init__(self, store: LocalStore, folder: Path) -> None:
        self._store, self._folder = store, str(folder)
        os.makedirs(self._folder, mode=0o700, exist_ok=True)

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return Path(self._folder)

    def _path(self, upload: str) -> str:
        return f"{self._folder}/{upload}"

    def create(self, upload: str) -> None:
        """An empty part; raises `StoreError`."""
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            os.close(os.open(self._path(upload), flags, _PART_MODE))
        except OSError as error:
            raise translated(error) from error

    def open(self, upload: str) -> Part:
        """The part, for this caller alone; raises `BlobMissing` or `StoreBusy`."""
        path = self._path(upload)
        try:
            descriptor = _opened(path)
        except FileNotFoundError:
            raise BlobMissing("no such part") from None
        except OSError as error:
            raise translated(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise StoreBusy("another process is receiving this upload") from None
        if not _is_at(path, descriptor):
            # Completed between opening and locking: what was opened is a blob now.
            os.close(descriptor)
            raise BlobMissing("no such part")
        return Part(path, descriptor)

    def size(self, upload: str) -> int:
        """Bytes on the disk; raises `BlobMissing`."""
        try:
            return os.stat(self._path(upload)).st_size
        except OSError:
            raise BlobMissing("no such part") from None

    def changed_at(self, upload: str) -> float:
        """When its last bytes came, in unix seconds; 0 for none."""
        try:
            return os.stat(self._path(upload)).st_mtime
        except OSError:
            return 0.0

    def sync(self, part: Part) -> None:
        """Makes the bytes so far durable; raises `StoreError`."""
        try:
            self._store.sync(part.descriptor)
        except OSError as error:
            raise translated(error) from error

    def commit(self, part: Part, name: BlobName) -> None:
        """Makes bytes that are durable visible as a blob as well."""
        try:
            os.fchmod(part.descriptor, _BLOB_MODE)
            self._store.link(part.path, name)
        except OSError as error:
            raise translated(error) from error

    def remove(self, upload: str) -> None:
        """Removes a part; one that is missing is no error."""
        with suppress(FileNotFoundError):
            os.unlink(self._path(upload))

    def all(self) -> Iterator[tuple[str, float]]:
        """All parts: upload id, and unix seconds of the last change."""
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    yield entry.name, entry.stat(follow_symlinks=False).st_ctime


def _is_at(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _opened(path: str) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags)
    except PermissionError:
        # It was about to become a blob, which nobody may write to, and did not get there.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fchmod(descriptor, _PART_MODE)
        finally:
            os.close(descriptor)
        return os.open(path, flags)
