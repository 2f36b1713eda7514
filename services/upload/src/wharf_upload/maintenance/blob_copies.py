"""The copying of blobs between a backup and an installation, on disks or in any store."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO

from wharf_upload.database.contract import SavedBlob, SavedRows
from wharf_upload.maintenance import side_by_side
from wharf_upload.maintenance.installation import BlobFolder
from wharf_upload.maintenance.listed_blobs import ListedBlobs
from wharf_upload.storage.base import (
    BlobMissing,
    BlobName,
    BlobReader,
    BlobStore,
    Found,
    StoreError,
)
from wharf_upload.storage.spool_file import SpoolFile

log = logging.getLogger(__name__)
_BLOB_MODE = 0o440
_BLOCK_BYTES = 1 << 20


@dataclass
class Counts:
    """The result of a run: all files and bytes, and how many of them this run has copied."""

    files: int = 0
    bytes: int = 0
    copied_files: int = 0
    copied_bytes: int = 0
    uploads: int = 0
    missing: int = 0
    damaged: int = 0

    @property
    def lost(self) -> int:
        """Return the number of files whose bytes are missing or do not match their record."""
        return self.missing + self.damaged


class Outcome(Enum):
    """The result for one blob."""

    COPIED = "copied"
    THERE = "there"
    MISSING = "missing"
    DAMAGED = "damaged"


# Copies one blob; raises `OSError` and `StoreError`.
Copy = Callable[[SavedBlob], Outcome]
_Readable = BinaryIO | BlobReader
# A function that is called after each file with the number of bytes so far, and the number of all
# bytes.
Progress = Callable[[int, int], None]


def copy_all(saved: SavedRows, copy: Copy, progress: Progress, *, threads: int = 1) -> Counts:
    """Copy every blob that the rows name; return the counts of all blobs."""
    counts, total = Counts(), saved.total_bytes()

    def copied(one: SavedBlob) -> tuple[SavedBlob, Outcome]:
        return one, copy(one)

    for one, outcome in side_by_side.each(copied, saved.blobs(), threads=threads):
        _count(counts, one, outcome)
        progress(counts.bytes, total)
    os.sync()
    return counts


def _count(counts: Counts, one: SavedBlob, outcome: Outcome) -> None:
    counts.files += 1
    counts.bytes += one.size
    if outcome is Outcome.COPIED:
        counts.copied_files += 1
        counts.copied_bytes += one.size
    counts.missing += outcome is Outcome.MISSING
    counts.damaged += outcome is Outcome.DAMAGED


def on_disk(source: BlobFolder, into: BlobFolder, *, link: bool) -> Copy:
    """Return a function that copies a blob between folders and verifies its digest.

    With `link` the function makes a hard link, and verifies only the size. A file in the target
    folder that has the right size stays as it is.
    """

    def copy(one: SavedBlob) -> Outcome:
        name = BlobName(one.tenant, one.blob)
        path, target = source.path(name), into.path(name)
        if size_of(target) == one.size:
            return Outcome.THERE
        if (found := looked_at(path, one)) is not Outcome.THERE:
            return found
        _make_folder_of(target)
        try:
            if not link:
                return _copy_verified(open(path, "rb", buffering=0), target, one, path)
            _link_file(path, target)
        except FileNotFoundError:
            return _lost(path, Outcome.MISSING)
        return Outcome.COPIED

    return copy


def looked_at(path: str, one: SavedBlob) -> Outcome:
    """Return `THERE` for a file of the right size; else log, and return `MISSING` or `DAMAGED`."""
    size = size_of(path)
    if size == one.size:
        return Outcome.THERE
    return _lost(path, Outcome.MISSING if size < 0 else Outcome.DAMAGED)


def look(saved: SavedRows, folder: BlobFolder) -> Counts:
    """Count the blobs that the rows name, and those whose file is missing or has another size."""
    counts = Counts()
    for one in saved.blobs():
        _count(counts, one, looked_at(folder.path(BlobName(one.tenant, one.blob)), one))
    return counts


def from_store(store: BlobStore, into: BlobFolder) -> Copy:
    """Return a function that copies a blob from a store into a folder and verifies its digest.

    A file in the folder that has the right size stays as it is.
    """

    def copy(one: SavedBlob) -> Outcome:
        name = BlobName(one.tenant, one.blob)
        target = into.path(name)
        if size_of(target) == one.size:
            return Outcome.THERE
        _make_folder_of(target)
        shown = f"{one.tenant}/{one.blob}"
        try:
            return _copy_verified(store.open(name), target, one, shown)
        except BlobMissing:
            return _lost(shown, Outcome.MISSING)

    return copy


def into_store(source: BlobFolder, store: BlobStore) -> Copy:
    """Return a function that verifies a blob in a folder and puts it into a store.

    The function does nothing if the store has the blob with this size already.
    The store itself does not verify the digest of a large blob, because it receives the blob in
    parts.
    """
    there = ListedBlobs()
    there.add_all(store.blobs())

    def copy(one: SavedBlob) -> Outcome:
        if there.has(*one[:3]):
            return Outcome.THERE
        name = BlobName(one.tenant, one.blob)
        path = source.path(name)
        if (found := looked_at(path, one)) is not Outcome.THERE:
            return found
        with SpoolFile.open(path) as file:
            if _digest_of(file) != one.sha256:
                return _lost(path, Outcome.DAMAGED)
            try:
                pending = store.adopt(name, file)
                try:
                    pending.commit(bytes.fromhex(one.sha256))
                finally:
                    pending.abort()
            except StoreError as error:
                raise StoreError(f"blob {one.blob} of {one.tenant}: {error}") from error
        return Outcome.COPIED

    return copy


def _digest_of(file: SpoolFile) -> str:
    hashing = hashlib.sha256()
    file.hash_into(hashing, 0, file.size)
    return hashing.hexdigest()


def _lost(shown: str, outcome: Outcome) -> Outcome:
    said = "are missing" if outcome is Outcome.MISSING else "do not match its record"
    log.warning("%s: its bytes %s", shown, said)
    return outcome


def in_place(blobs: Iterable[Found]) -> Copy:
    """Return a function that copies nothing, and checks whether a list has a blob with its size."""
    there = ListedBlobs()
    there.add_all(blobs)
    return lambda one: Outcome.THERE if there.has(*one[:3]) else Outcome.MISSING


def _link_file(source: str, target: str) -> None:
    """Make a hard link; an existing file with that name is replaced."""
    with suppress(FileNotFoundError):
        os.unlink(target)
    os.link(source, target)


def copy_file(source: str, target: str, mode: int) -> None:
    """Copy a file in the kernel; the name appears when all bytes are there."""
    new = _new_name(target)
    shutil.copyfile(source, new)
    os.chmod(new, mode)
    with open(new, "rb") as copy:
        os.fsync(copy.fileno())
    os.replace(new, target)


def size_of(path: str) -> int:
    """Return the size of a file in bytes, or -1 if it does not exist."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return -1


def _copy_verified(content: _Readable, target: str, one: SavedBlob, shown: str) -> Outcome:
    """Write a blob's bytes to a file, and name the file if the bytes match the record."""
    new = _new_name(target)
    if _read_into(new, content) != one.sha256:
        os.unlink(new)
        return _lost(shown, Outcome.DAMAGED)
    os.replace(new, target)
    return Outcome.COPIED


def _read_into(path: str, readable: _Readable) -> str:
    """Write bytes to a new file, durably; return their digest."""
    digest = hashlib.sha256()
    with readable as content, open(path, "xb", buffering=0) as file:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
            view = memoryview(block)
            while view:
                view = view[file.write(view) :]
        os.fchmod(file.fileno(), _BLOB_MODE)
        os.fsync(file.fileno())
    return digest.hexdigest()


def _new_name(target: str) -> str:
    """Return the name of a temporary file, after removing an old file with that name."""
    with suppress(FileNotFoundError):
        os.unlink(f"{target}.new")
    return f"{target}.new"


def _make_folder_of(path: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
