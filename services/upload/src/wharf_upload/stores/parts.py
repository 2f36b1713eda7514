"""Files of resumable uploads while they grow: `resumable/<upload id>`.

Their size on the disk is the offset that a client is told, so that it is never larger than what is
there. When all has come, the file gets a second name as a blob, and loses this one when the record
is there.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from servicekit.ids import uuid7_hex
from wharf_upload.stores.base import BlobMissing, BlobName, StoreBusy
from wharf_upload.stores.local import LocalStore, translated

_BLOB_MODE, _PART_MODE = 0o440, 0o600
# So long the lock of a process that has just been killed, or closes the file now, is waited for.
_PATIENCE_SECONDS, _LOOK_SECONDS = 1.0, 0.02


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

    def open(self, upload: str, *, alone: bool = False) -> Part:
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
                raise translated(error) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Completed, or copied, between opening and locking: it is a blob, or nothing, now.
                if _is_at(path, descriptor):
                    return Part(path, descriptor)
            except BlockingIOError:
                if not alone:
                    os.close(descriptor)
                    raise StoreBusy("another process is receiving this upload") from None
                if time.monotonic() > deadline:
                    return self._copied(path, descriptor)
                time.sleep(_LOOK_SECONDS)
            except OSError as error:
                os.close(descriptor)
                raise translated(error) from error
            os.close(descriptor)

    def _copied(self, path: str, descriptor: int) -> Part:
        """A copy of an open file, locked, in that file's place; closes `descriptor`.

        A copy that a crash leaves half-made is a part without a row.
        """
        new = f"{path}.{uuid7_hex()}"
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        part = Part(path, -1)
        try:
            part.descriptor = os.open(new, flags, _PART_MODE)
            fcntl.flock(part.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.append(descriptor, os.fstat(descriptor).st_size)
            os.rename(new, path)
        except BaseException as error:
            part.close()
            with suppress(FileNotFoundError):
                os.unlink(new)
            raise (translated(error) if isinstance(error, OSError) else error) from error
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

    def sync(self, part: Part) -> None:
        """Makes the bytes so far durable; raises `StoreError`."""
        try:
            self._store.sync(part.descriptor)
        except OSError as error:
            raise translated(error) from error

    def commit(self, part: Part, name: BlobName) -> None:
        """Makes bytes that are durable visible as a blob as well; raises `StoreError`."""
        try:
            os.fchmod(part.descriptor, _BLOB_MODE)
            self._store.link(part.path, name)
        except OSError as error:
            raise translated(error) from error
        if not self._store.is_blob(part.descriptor, name):
            # Taken over by another replica: what got the name is that one's, and still grows.
            self._store.delete(name)
            raise StoreBusy("another process is receiving this upload")

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
