"""A store of blobs as files on a local or shared disk, in the layout of `layout.py`.

This module does only I/O: it raises the errors of the operating system, and `TimedStore` translates
them.
"""

from __future__ import annotations

import io
import mmap
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from servicekit.ids import uuid7_hex
from wharf_upload.storage.base import BlobName, Found, GatewayPlace, Made, Room
from wharf_upload.storage.errors import BlobMissing, StoreBusy, StoreError
from wharf_upload.storage.filesystem import room_of
from wharf_upload.storage.layout import BlobLayout, entries
from wharf_upload.storage.one_by_one import not_deleted, within
from wharf_upload.storage.spool_file import SpoolFile

_BLOB_MODE = 0o440
_MAX_ANCHORED = 100_000


class LocalReader(io.BufferedReader):
    """An open blob."""

    def __init__(self, path: str) -> None:
        """Open the file."""
        super().__init__(io.FileIO(path))

    def size(self) -> int:
        """Return the size of the blob in bytes."""
        return os.fstat(self.fileno()).st_size

    def spool_file(self) -> SpoolFile:
        """Return the blob as a spool file, for stores that adopt files."""
        return SpoolFile.borrow(str(self.name), self.fileno())


class StagedFile:
    """A file in the staging folder that gets its final name later."""

    def __init__(
        self, store: LocalStore, name: BlobName, staged: str, descriptor: int, size: int
    ) -> None:
        """Take over the staged name; the caller keeps the descriptor and closes it."""
        self._store, self._name, self._staged = store, name, staged
        self._descriptor, self._size = descriptor, size
        self._synced, self._failed, self._ended = -1, False, False

    def size(self) -> int:
        """Return the number of bytes so far."""
        return self._size

    def sync(self) -> None:
        """Write the bytes to the disk."""
        if self._synced == self._size:
            return
        if self._failed:
            # After a failed fsync the kernel may have dropped the data, and a second fsync would
            # report success.
            raise StoreError("the disk failed to write")
        self._failed = True
        os.fchmod(self._descriptor, _BLOB_MODE)
        self._store.sync(self._descriptor)
        self._failed, self._synced = False, self._size

    def commit(self, sha256: bytes | None = None) -> None:  # noqa: ARG002 -- a disk checks none
        """Write the bytes to the disk, then give the file its name in the tenant's folder."""
        try:
            self.sync()
            self._store.link(self._staged, self._name)
        finally:
            self.abort()

    def abort(self) -> None:
        """Remove the staged name."""
        if not self._ended:
            self._ended = True
            with suppress(OSError):
                os.unlink(self._staged)


class LocalWriter(StagedFile):
    """A staged file that grows; it owns its descriptor."""

    def write(self, data: bytes | memoryview) -> None:
        """Append the bytes."""
        view = memoryview(data)
        while view:
            written = os.write(self._descriptor, view)
            view = view[written:]
            self._size += written

    def copy_range(self, spool: SpoolFile, offset: int, length: int) -> None:
        """Append a range of a spool file; the kernel copies the bytes."""
        while length:
            copied = os.copy_file_range(spool.fileno(), self._descriptor, length, offset)
            if not copied:
                raise StoreError("the source ended early")
            offset += copied
            length -= copied
            self._size += copied

    def abort(self) -> None:
        """Remove the staged name and close the file."""
        if not self._ended:
            os.close(self._descriptor)
        super().abort()


class LocalStore:
    """Blobs below `data/tenants`, unfinished ones in `data/staging`; both on one file system."""

    def __init__(self, data: Path, *, durable: bool = True) -> None:
        """Set the paths of the folders; `prepare` creates them.

        With `durable` the store calls fsync.
        """
        self.durable = durable
        self.on_sync: Callable[[float], None] = lambda _: None
        self._layout = BlobLayout(data)
        self._tenants, self._staging = self._layout.tenants, self._layout.staging
        # This byte is 1 after fsync has failed. It is shared with the processes that are forked
        # from this process.
        self._failed = mmap.mmap(-1, 1)
        # The folders with durable names.
        self._anchored: set[str] = set()
        self.path: Callable[[BlobName], str] = self._layout.path
        self.lists_by_hour = False

    def prepare(self) -> None:
        """Create the two top folders."""
        self._layout.make()

    def create(self, name: BlobName) -> LocalWriter:
        """Return a writer for a new file in the staging folder.

        `move-blobs` may find a staged file with this name that an earlier, killed process has left.
        Then the new file gets another name, and the sweeper removes the old file.
        """
        staged = f"{self._staging}/{name.blob}"
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        try:
            descriptor = os.open(staged, flags, 0o600)
        except FileExistsError:
            staged = f"{staged}.{uuid7_hex()}"
            descriptor = os.open(staged, flags, 0o600)
        return LocalWriter(self, name, staged, descriptor, 0)

    def adopt(self, name: BlobName, spool: SpoolFile) -> StagedFile:
        """Give the spool file another name, in the staging folder, by link(2).

        After this call the owner of the spool file may remove the file's path. The method checks
        that the new name belongs to the open file, because another process may have replaced the
        file at the path.
        """
        staged = f"{self._staging}/{name.blob}"
        os.link(spool.path, staged)
        content = StagedFile(self, name, staged, spool.fileno(), spool.size)
        try:
            is_the_same = os.lstat(staged).st_ino == spool.inode
        except BaseException:
            content.abort()
            raise
        if not is_the_same:
            content.abort()
            raise StoreBusy("another process has replaced the file")
        return content

    def put(self, name: BlobName, content: bytes, sha256: bytes | None = None) -> None:  # noqa: ARG002 -- a disk checks none
        """Write directly to the final name, because no record points to it yet.

        A crash leaves a blob without a record, and the sweeper removes such blobs.
        """
        descriptor = self._create_named(name)
        try:
            written = os.write(descriptor, content)
            while written < len(content):
                written += os.write(descriptor, memoryview(content)[written:])
            self.sync(descriptor)
        except BaseException:
            self.delete(name)
            raise
        finally:
            os.close(descriptor)

    def _create_named(self, name: BlobName) -> int:
        """Create the file with the final name and return its descriptor."""
        path = self.path(name)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        try:
            return os.open(path, flags, _BLOB_MODE)
        except FileNotFoundError:
            self._make_folder(path)
            return os.open(path, flags, _BLOB_MODE)

    def link(self, staged: str, name: BlobName) -> None:
        """Give a staged file its final name; raises `OSError` if the name exists."""
        path = self.path(name)
        try:
            os.link(staged, path)
        except FileNotFoundError:
            self._make_folder(path)
            os.link(staged, path)

    @staticmethod
    def _make_folder(path: str) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)

    def make_durable(self, names: list[BlobName]) -> None:
        """Sync each folder of these blobs once; before the first time, also the folders above."""
        if not self.durable:
            return
        for folder in {os.path.dirname(self.path(name)) for name in names}:
            if folder not in self._anchored:
                self._anchor(folder)
            self._sync_folder(folder)

    def _anchor(self, folder: str) -> None:
        """Make the path to a folder durable, once in each process.

        Another process may have created the folder and not synced it yet.
        """
        tenant = os.path.dirname(folder)
        self._sync_folder(self._tenants)
        self._sync_folder(tenant)
        if len(self._anchored) >= _MAX_ANCHORED:
            self._anchored.clear()
        self._anchored.add(folder)

    def _sync_folder(self, folder: str) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def sync(self, descriptor: int) -> None:
        """Call fsync once, without a retry.

        After a failure the kernel may have dropped the data, and a retry would report success.
        """
        if not self.durable:
            return
        begun = time.perf_counter()
        try:
            os.fsync(descriptor)
        except OSError:
            self._failed[0] = 1
            raise
        self.on_sync(begun)

    def open(self, name: BlobName) -> LocalReader:
        """Return a reader of the content; raises `BlobMissing`."""
        try:
            return LocalReader(self.path(name))
        except FileNotFoundError:
            raise BlobMissing("no such blob") from None

    def gateway_place(self, name: BlobName) -> GatewayPlace:
        """Return the path below the tenants' folders."""
        return GatewayPlace(self._layout.relative_path(name))

    def delete(self, name: BlobName) -> None:
        """Remove a blob."""
        with suppress(FileNotFoundError):
            os.unlink(self.path(name))

    def delete_all(self, names: list[BlobName]) -> list[BlobName]:
        """Remove blobs one by one."""
        return not_deleted(self, names)

    def blobs(self, made: Made | None = None) -> Iterator[Found]:
        """Yield the blobs in the tenants' folders."""
        return within(self._layout.blobs(), made)

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """Yield the files in the staging folder."""
        for entry in entries(self._staging):
            with suppress(FileNotFoundError):
                yield entry.name, entry.stat(follow_symlinks=False).st_ctime

    def remove_leftover(self, name: str) -> None:
        """Remove a staged file."""
        with suppress(FileNotFoundError):
            os.unlink(f"{self._staging}/{os.path.basename(name)}")

    def room(self) -> Room:
        """Return the free space for an unprivileged user."""
        return room_of(self._tenants)

    def check(self) -> str | None:
        """Return an error if fsync has failed or a folder is not writable, else `None`."""
        if self._failed[0]:
            return "the disk failed to write; check it, then restart the service"
        for folder in (self._tenants, self._staging):
            if not os.access(folder, os.W_OK | os.X_OK):
                return "the data folder cannot be written to"
        return None
