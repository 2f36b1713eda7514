"""Blobs as files on a local disk (or a shared one): `tenants/<tenant>/<aa>/<blob>`.

`aa` are two digits of the blob's time stamp, so files that are stored together share a folder and
one fsync of it serves them all.
"""

from __future__ import annotations

import errno
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from wharf_upload import stages
from wharf_upload.stores.base import BlobMissing, BlobName, Found, StoreBusy, StoreError, StoreFull

# Two digits of a UUIDv7's milliseconds: they change every 256 ms and come round every 65 s.
_AA = slice(8, 10)
_BLOB_MODE = 0o440
_MAX_ANCHORED = 100_000
# How long a look at the free space holds; far less than it takes to fill the usual reserve.
_FREE_SECONDS = 0.05
# What a process, or the machine, has too few of; it passes.
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def translated(error: OSError) -> StoreError:
    """The store's error for an operating system error; messages never show a path."""
    if error.errno in _NO_ROOM:
        return StoreFull("no room left on the disk")
    if error.errno in EXHAUSTED:
        return StoreBusy(os.strerror(error.errno))
    return StoreError(os.strerror(error.errno or errno.EIO))


class LocalWriter:
    """A file in the staging folder on its way to its final name."""

    def __init__(self, store: LocalStore, name: BlobName, staged: str, descriptor: int) -> None:
        self._store, self._name, self._staged = store, name, staged
        self._descriptor, self._size = descriptor, os.fstat(descriptor).st_size
        self._synced = -1

    def descriptor(self) -> int:
        """The staged file."""
        return self._descriptor

    def write(self, data: bytes | memoryview) -> None:
        """Appends."""
        try:
            view = memoryview(data)
            while view:
                written = os.write(self._descriptor, view)
                view = view[written:]
                self._size += written
        except OSError as error:
            raise translated(error) from error

    def copy_from(self, descriptor: int, offset: int, length: int) -> None:
        """Appends a range of an open file; the bytes do not pass through this process."""
        try:
            while length:
                copied = os.copy_file_range(descriptor, self._descriptor, length, offset)
                if not copied:
                    raise StoreError("the source ended early")
                offset += copied
                length -= copied
                self._size += copied
        except OSError as error:
            raise translated(error) from error

    def size(self) -> int:
        """Bytes so far."""
        return self._size

    def sync(self) -> None:
        """Bytes to the disk."""
        if self._synced == self._size:
            return
        try:
            os.fchmod(self._descriptor, _BLOB_MODE)
            self._store.sync(self._descriptor)
        except OSError as error:
            raise translated(error) from error
        self._synced = self._size

    def commit(self) -> None:
        """Bytes to the disk, then the name into the tenant's folder."""
        try:
            self.sync()
            self._store.link(self._staged, self._name)
        except OSError as error:
            raise translated(error) from error
        finally:
            self.abort()

    def abort(self) -> None:
        """Removes the staged name."""
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        with suppress(OSError):
            os.unlink(self._staged)


class LocalStore:
    """Blobs below `data/tenants`, unfinished ones in `data/staging`; one filesystem for both."""

    def __init__(self, data: Path, *, durable: bool = True) -> None:
        self.durable = durable
        self._tenants, self._staging = str(data / "tenants"), str(data / "staging")
        # Shared with the processes that are forked from this one.
        self._failed = mmap.mmap(-1, 1)
        self._free, self._free_until = 0, 0.0
        # Folders whose names are known to be durable.
        self._anchored: set[str] = set()

    def prepare(self) -> None:
        """Makes the two top folders."""
        for folder in (self._tenants, self._staging):
            os.makedirs(folder, mode=0o700, exist_ok=True)

    def path(self, name: BlobName) -> str:
        """Where the blob lies."""
        return f"{self._tenants}/{name.tenant}/{name.blob[_AA]}/{name.blob}"

    def internal_path(self, name: BlobName) -> str:
        """The path below the gateway's internal location."""
        return f"{name.tenant}/{name.blob[_AA]}/{name.blob}"

    def create(self, name: BlobName) -> LocalWriter:
        """A writer for a new blob, in the staging folder."""
        staged = f"{self._staging}/{name.blob}"
        try:
            descriptor = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise translated(error) from error
        return LocalWriter(self, name, staged, descriptor)

    def adopt(self, name: BlobName, spool_file: str) -> LocalWriter:
        """Links the spool file: its owner may now remove it at any time."""
        staged = f"{self._staging}/{name.blob}"
        try:
            os.link(spool_file, staged)
            descriptor = os.open(staged, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            with suppress(OSError):
                os.unlink(staged)
            raise translated(error) from error
        return LocalWriter(self, name, staged, descriptor)

    def put(self, name: BlobName, content: bytes) -> None:
        """Writes straight under the final name, which nothing points to yet.

        What a crash leaves is a blob without a record, and the sweeper removes those.
        """
        descriptor = self._create_named(name)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            self.sync(descriptor)
        except OSError as error:
            self.delete(name)
            raise translated(error) from error
        finally:
            os.close(descriptor)

    def _create_named(self, name: BlobName) -> int:
        """A new file under the final name."""
        path = self.path(name)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        try:
            try:
                return os.open(path, flags, _BLOB_MODE)
            except FileNotFoundError:
                self._make_folder(name)
                return os.open(path, flags, _BLOB_MODE)
        except OSError as error:
            raise translated(error) from error

    def link(self, staged: str, name: BlobName) -> None:
        """Gives a staged file its final name; a name that is taken is an error, never replaced."""
        path = self.path(name)
        try:
            os.link(staged, path)
        except FileNotFoundError:
            self._make_folder(name)
            os.link(staged, path)

    def is_blob(self, descriptor: int, name: BlobName) -> bool:
        """Whether an open file is this blob; raises `StoreError`."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path(name)))
        except OSError as error:
            raise translated(error) from error

    def _make_folder(self, name: BlobName) -> None:
        os.makedirs(os.path.dirname(self.path(name)), mode=0o700, exist_ok=True)

    def make_durable(self, names: list[BlobName]) -> None:
        """One fsync for each folder in which these blobs lie, and once for the folders above."""
        if not self.durable:
            return
        try:
            for folder in {os.path.dirname(self.path(name)) for name in names}:
                if folder not in self._anchored:
                    self._anchor(folder)
                self._sync_folder(folder)
        except OSError as error:
            raise translated(error) from error

    def _anchor(self, folder: str) -> None:
        """Makes the way to a folder durable, once a process.

        Another process may have made the folder just now, and not got round to it.
        """
        tenant = os.path.dirname(folder)
        self._sync_folder(self._tenants)
        self._sync_folder(tenant)
        if len(self._anchored) >= _MAX_ANCHORED:
            self._anchored.clear()
        self._anchored.add(folder)

    def _sync_folder(self, folder: str) -> None:
        if not self.durable:
            return
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def sync(self, descriptor: int) -> None:
        """One fsync, never repeated: after a failure the kernel may have dropped the data."""
        if not self.durable:
            return
        try:
            begun = time.perf_counter()
            os.fsync(descriptor)
            stages.ended(stages.FSYNC, begun)
        except OSError:
            self._failed[0] = 1
            raise

    def open(self, name: BlobName) -> BinaryIO:
        """The content."""
        try:
            return open(self.path(name), "rb")
        except FileNotFoundError:
            raise BlobMissing("no such blob") from None
        except OSError as error:
            raise translated(error) from error

    def delete(self, name: BlobName) -> None:
        """Removes a blob."""
        try:
            os.unlink(self.path(name))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise translated(error) from error

    def blobs(self) -> Iterator[Found]:
        """Walks the tenants' folders."""
        for tenant in _folders(self._tenants):
            for folder in _folders(tenant.path):
                for entry in _entries(folder.path):
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    yield Found(BlobName(tenant.name, entry.name), status.st_size, status.st_ctime)

    def leftovers(self) -> Iterator[tuple[str, float]]:
        """What lies in the staging folder."""
        for entry in _entries(self._staging):
            with suppress(FileNotFoundError):
                yield entry.name, entry.stat(follow_symlinks=False).st_ctime

    def remove_leftover(self, name: str) -> None:
        """Removes a staged file."""
        with suppress(FileNotFoundError):
            os.unlink(f"{self._staging}/{os.path.basename(name)}")

    def free_bytes(self) -> int:
        """Free space for an unprivileged user, as it was a moment ago at most."""
        now = time.monotonic()
        if now >= self._free_until:
            status = os.statvfs(self._tenants)
            self._free = status.f_bavail * status.f_frsize
            self._free_until = now + _FREE_SECONDS
        return self._free

    def check(self) -> str | None:
        """Whether the folders are there and can be written to."""
        if self._failed[0]:
            return "the disk failed to write; check it, then restart the service"
        for folder in (self._tenants, self._staging):
            if not os.access(folder, os.W_OK | os.X_OK):
                return "the data folder cannot be written to"
        return None


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            # NFS keeps a file that is still open, and gone, under a name with a dot.
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except FileNotFoundError:
        return


def _folders(folder: str) -> Iterator[os.DirEntry[str]]:
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield entry
