"""Files of resumable uploads while they grow: `resumable/<upload id>`.

Their size on the disk is the offset that a client is told, so that it is never larger than what is
there. They lie on a local or shared disk, whichever store keeps the blobs. When all has come, the
store adopts the file as it adopts a body from the gateway; the file goes when the record is there.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from servicekit.ids import uuid7_hex
from wharf_upload.storage.errors import BlobMissing, StoreBusy, as_store_error, translating
from wharf_upload.storage.spool_file import SpoolFile

_PART_MODE = 0o600
_NEW = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
# So long the lock of a process that has just been killed, or closes the file now, is waited for.
_PATIENCE_SECONDS, _LOOK_SECONDS = 1.0, 0.02


class PartialUpload:
    """An open part; `close` it. Whoever has it open has it alone (`flock`)."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path, self.descriptor = path, descriptor

    @property
    def path(self) -> str:
        """Return the path; the digest daemon watches its folder."""
        return self._path

    def size(self) -> int:
        """Bytes so far."""
        return os.fstat(self.descriptor).st_size

    def spool_file(self) -> SpoolFile:
        """Return the bytes so far, as a store adopts them; valid until `close`."""
        return SpoolFile.borrow(self._path, self.descriptor)

    def require_current(self) -> None:
        """Raise `StoreBusy` when another replica has taken the upload over, or ended it."""
        with translating:
            if not _is_at(self._path, self.descriptor):
                raise StoreBusy("another process is receiving this upload")

    def truncate(self, size: int) -> None:
        """Give up what lies behind `size` bytes; raises `StoreError`."""
        with translating:
            os.ftruncate(self.descriptor, size)

    def append(self, source: SpoolFile, length: int, begin: int = 0) -> None:
        """Copy `length` bytes of a file, from `begin` on, to the end, inside the kernel."""
        with translating:
            offset_in, offset_out = begin, self.size()
            while offset_in < begin + length:
                left = begin + length - offset_in
                copied = os.copy_file_range(
                    source.fileno(), self.descriptor, left, offset_in, offset_out
                )
                if not copied:
                    raise BlobMissing("a part is shorter than it was")
                offset_in += copied
                offset_out += copied

    def close(self) -> None:
        """Lets others have it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class PartialUploadStore:
    """The growing files of all resumable uploads."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        os.makedirs(self._folder, mode=0o700, exist_ok=True)

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return Path(self._folder)

    def _path(self, upload: str) -> str:
        return f"{self._folder}/{upload}"

    def create(self, upload: str) -> None:
        """An empty part; raises `StoreError`."""
        flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_EXCL
        with translating:
            os.close(os.open(self._path(upload), flags, _PART_MODE))

    def open(self, upload: str, *, alone: bool = False) -> PartialUpload:
        """The part, for this caller alone; raises `BlobMissing` or `StoreBusy`.

        `alone`: the caller has the upload's lease over all replicas. Who has the part open all the
        same is dead with its machine, or frozen: it keeps what it has, which nobody sees any more,
        and the caller gets a copy in its place.
        """
        path = self._path(upload)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                descriptor = _opened(path)
            except FileNotFoundError:
                raise BlobMissing("no such part") from None
            except OSError as error:
                raise as_store_error(error) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Completed, or copied, between opening and locking: it is a blob, or nothing, now.
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
        """An empty part, for this caller alone from its first moment on.

        Raises `StoreBusy` where there is one, and `StoreError`.
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
        """A copy of an open file, locked, in that file's place; closes `descriptor`.

        A copy that a crash leaves half-made is a part without a row.
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
        """Bytes on the disk; raises `BlobMissing`."""
        try:
            # Opened, and not only looked at: NFS asks the server anew for what is opened.
            descriptor = os.open(self._path(upload), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            raise BlobMissing("no such part") from None
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def changed_at(self, upload: str) -> float:
        """When its last bytes came, in unix seconds; 0 for none."""
        try:
            return os.stat(self._path(upload)).st_mtime
        except OSError:
            return 0.0

    def remove(self, upload: str) -> None:
        """Removes a part; one that is missing is no error."""
        with suppress(FileNotFoundError):
            os.unlink(self._path(upload))

    def all(self) -> Iterator[tuple[str, float]]:
        """All parts: upload id, and unix seconds of the last change."""
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue  # what NFS keeps of a file that is gone and still open
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
