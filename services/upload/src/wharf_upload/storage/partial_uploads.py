"""The files to which resumable uploads append their bytes: `resumable/<upload id>`.

The size of the file on the disk is the offset that the service reports to the client, so the offset
never exceeds the stored bytes. The files are on a local or shared disk, even if an object store has
the blobs. When all bytes have arrived, the store adopts the partial upload like a body from the
gateway. After the row of the new file is committed, the service removes the partial upload.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from servicekit.ids import uuid7_hex
from wharf_upload.storage.errors import (
    BlobMissing,
    StoreBusy,
    StoreError,
    as_store_error,
    translating,
)
from wharf_upload.storage.spool_file import SpoolFile

log = logging.getLogger(__name__)
_PART_MODE = 0o600
_NEW = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
# How long `open` waits for the lock of a process that was just killed, or that is just closing the
# file.
_PATIENCE_SECONDS, _LOOK_SECONDS = 1.0, 0.02


class PartialUpload:
    """An open partial upload; `flock` gives its opener exclusive use until `close`."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path, self.descriptor = path, descriptor

    @property
    def path(self) -> str:
        """Return the path; the digest daemon watches its folder."""
        return self._path

    def size(self) -> int:
        """Return the number of bytes so far."""
        return os.fstat(self.descriptor).st_size

    def spool_file(self) -> SpoolFile:
        """Return the bytes so far as a spool file for a store; valid until `close`."""
        return SpoolFile.borrow(self._path, self.descriptor)

    def require_current(self) -> None:
        """Raise `StoreBusy` if another replica has taken over the upload, or ended it."""
        with translating:
            if not _is_at(self._path, self.descriptor):
                raise StoreBusy("another process is receiving this upload")

    def truncate(self, size: int) -> None:
        """Discard the bytes after the first `size` bytes; raises `StoreError`."""
        with translating:
            os.ftruncate(self.descriptor, size)

    def append(self, source: SpoolFile, length: int, begin: int = 0) -> None:
        """Append `length` bytes of a file, from `begin` on; the kernel copies the bytes."""
        with translating:
            offset_in, offset_out = begin, self.size()
            while offset_in < begin + length:
                left = begin + length - offset_in
                copied = os.copy_file_range(
                    source.fileno(), self.descriptor, left, offset_in, offset_out
                )
                if not copied:
                    raise BlobMissing("a partial upload is shorter than before")
                offset_in += copied
                offset_out += copied

    def close(self) -> None:
        """Close the file, so that other requests can open it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class PartialUploadStore:
    """The store of all partial uploads."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        os.makedirs(self._folder, mode=0o700, exist_ok=True)

    @property
    def folder(self) -> Path:
        """Return the folder of the partial uploads."""
        return Path(self._folder)

    def _path(self, upload: str) -> str:
        return f"{self._folder}/{upload}"

    def create(self, upload: str) -> None:
        """Create an empty file; raises `StoreError`."""
        flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_EXCL
        with translating:
            os.close(os.open(self._path(upload), flags, _PART_MODE))

    def open(self, upload: str, *, alone: bool = False) -> PartialUpload:
        """Open a file exclusively and return it; raises `BlobMissing` or `StoreBusy`.

        `alone`: the caller has the upload's lease among all replicas. If another process still has
        the lock, its machine has failed, or the process is frozen. Then the caller gets a copy that
        replaces the file; the other process keeps a file without a name.
        """
        path = self._path(upload)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                descriptor = _opened(path)
            except FileNotFoundError:
                raise BlobMissing("no such partial upload") from None
            except OSError as error:
                raise as_store_error(error) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Between opening and locking, another request may have completed or replaced the
                # upload. Then the open file is a blob, or was deleted.
                if _is_at(path, descriptor):
                    return PartialUpload(path, descriptor)
            except BlockingIOError:
                if not alone:
                    os.close(descriptor)
                    raise StoreBusy("another process is receiving this upload") from None
                if time.monotonic() > deadline:
                    return self._copied(path, descriptor)
                time.sleep(_LOOK_SECONDS)
            except OSError as error:
                os.close(descriptor)
                raise as_store_error(error) from error
            os.close(descriptor)

    def begin(self, upload: str) -> PartialUpload:
        """Create an empty file, locked from the start, and return it.

        Raises `StoreBusy` if the file exists, and `StoreError`.
        """
        path = self._path(upload)
        new = f"{path}.{uuid7_hex()}"
        part = PartialUpload(path, -1)
        try:
            part.descriptor = os.open(new, _NEW, _PART_MODE)
            fcntl.flock(part.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.link(new, path)
        except FileExistsError:
            part.close()
            raise StoreBusy("another process has begun this upload") from None
        except OSError as error:
            part.close()
            raise as_store_error(error) from error
        finally:
            with suppress(FileNotFoundError):
                os.unlink(new)
        return part

    def _copied(self, path: str, descriptor: int) -> PartialUpload:
        """Replace an open file by a locked copy and return the copy; closes `descriptor`.

        A crash may leave an incomplete copy: a file without a row, which the sweeper removes.
        """
        new = f"{path}.{uuid7_hex()}"
        part = PartialUpload(path, -1)
        try:
            part.descriptor = os.open(new, _NEW, _PART_MODE)
            fcntl.flock(part.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            source = SpoolFile.borrow(path, descriptor)
            part.append(source, source.size)
            os.rename(new, path)
        except BaseException as error:
            part.close()
            with suppress(FileNotFoundError):
                os.unlink(new)
            raise (as_store_error(error) if isinstance(error, OSError) else error) from error
        finally:
            os.close(descriptor)
        return part

    def size(self, upload: str) -> int:
        """Return the number of bytes on the disk; raises `BlobMissing`."""
        try:
            # Opening the file makes NFS read its present size from the server; `stat` alone does
            # not.
            descriptor = os.open(self._path(upload), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            raise BlobMissing("no such partial upload") from None
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def changed_at(self, upload: str) -> float:
        """Return when the last bytes were written, in unix seconds; 0 for a missing file.

        Raises `StoreError`.
        """
        with translating:
            try:
                return os.stat(self._path(upload)).st_mtime
            except FileNotFoundError:
                return 0.0

    def remove(self, upload: str) -> None:
        """Remove a file; a missing file is no error. Raises `StoreError`."""
        with translating, suppress(FileNotFoundError):
            os.unlink(self._path(upload))

    def discard(self, upload: str) -> None:
        """Remove the file of an upload that has ended; if this fails, the sweeper removes it."""
        try:
            self.remove(upload)
        except StoreError as error:
            log.warning("the bytes of an ended upload cannot be removed: %s", error)

    def all(self) -> Iterator[tuple[str, float]]:
        """Yield the name of each file, and the unix seconds of its last change.

        Raises `StoreError`.
        """
        with translating, suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue  # NFS keeps a deleted file under this kind of name while it is open
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
        # The file was made read-only to become a blob, but its upload was not completed.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fchmod(descriptor, _PART_MODE)
        finally:
            os.close(descriptor)
        return os.open(path, flags)
