"""Copies blobs between a backup and an installation: on disks, from any store, into any store."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from wharf_upload.database.contract import SavedBlob, SavedRows
from wharf_upload.maintenance import side_by_side
from wharf_upload.maintenance.installation import BlobFolder
from wharf_upload.maintenance.listed_blobs import ListedBlobs
from wharf_upload.storage.base import BlobMissing, BlobName, BlobStore, Found, StoreError
from wharf_upload.storage.spool_file import SpoolFile

log = logging.getLogger(__name__)
_BLOB_MODE = 0o440
_BLOCK_BYTES = 1 << 20


@dataclass
class Counts:
    """What was done: files and bytes in all, how many of them were copied now."""

    files: int = 0
    bytes: int = 0
    copied_files: int = 0
    copied_bytes: int = 0
    uploads: int = 0
    missing: int = 0


class Outcome(Enum):
    """What became of one blob."""

    COPIED = "copied"
    THERE = "there"
    MISSING = "missing"


# Copies one blob. Raises `OSError` and `StoreError`.
Copy = Callable[[SavedBlob], Outcome]
# Is told after each file: how many of how many bytes there are by now.
Progress = Callable[[int, int], None]


def copy_all(saved: SavedRows, copy: Copy, progress: Progress, *, threads: int = 1) -> Counts:
    """Copy every blob that the rows name."""
    counts, total = Counts(), saved.total_bytes()

    def copied(one: SavedBlob) -> tuple[SavedBlob, Outcome]:
        return one, copy(one)

    for one, outcome in side_by_side.each(copied, saved.blobs(), threads=threads):
        counts.files += 1
        counts.bytes += one.size
        if outcome is Outcome.MISSING:
            counts.missing += 1
            continue
        if outcome is Outcome.COPIED:
            counts.copied_files += 1
            counts.copied_bytes += one.size
        progress(counts.bytes, total)
    os.sync()
    return counts


def on_disk(source: BlobFolder, into: BlobFolder, *, link: bool) -> Copy:
    """Return what copies a blob from folder to folder, or gives it a second name there."""

    def copy(one: SavedBlob) -> Outcome:
        name = BlobName(one.tenant, one.blob)
        target = into.path(name)
        if size_of(target) == one.size:
            return Outcome.THERE
        _make_folder_of(target)
        try:
            copy_file(source.path(name), target, _BLOB_MODE, link=link)
        except FileNotFoundError:
            return Outcome.MISSING
        return Outcome.COPIED

    return copy


def from_store(store: BlobStore, into: BlobFolder) -> Copy:
    """Return what reads a blob from a store into a folder, and verifies its digest."""

    def copy(one: SavedBlob) -> Outcome:
        name = BlobName(one.tenant, one.blob)
        target = into.path(name)
        if size_of(target) == one.size:
            return Outcome.THERE
        _make_folder_of(target)
        new = _new_name(target)
        try:
            digest = _read_into(new, store, name)
        except BlobMissing:
            return Outcome.MISSING
        if digest != one.sha256:
            os.unlink(new)
            log.warning("the bytes of %s/%s are not those of its record", one.tenant, one.blob)
            return Outcome.MISSING
        os.replace(new, target)
        return Outcome.COPIED

    return copy


def into_store(source: BlobFolder, store: BlobStore) -> Copy:
    """Return what puts a blob from a folder into a store, if it has its digest.

    A store verifies that as well, but not of a large blob, which comes in parts.
    """
    there = ListedBlobs()
    there.add_all(store.blobs())

    def copy(one: SavedBlob) -> Outcome:
        if there.has(*one[:3]):
            return Outcome.THERE
        name = BlobName(one.tenant, one.blob)
        if size_of(source.path(name)) < 0:
            return Outcome.MISSING
        with SpoolFile.open(source.path(name)) as file:
            try:
                _require_digest(file, one.sha256)
                pending = store.adopt(name, file)
                try:
                    pending.commit(bytes.fromhex(one.sha256))
                finally:
                    pending.abort()
            except StoreError as error:
                raise StoreError(f"blob {one.blob} of {one.tenant}: {error}") from error
        return Outcome.COPIED

    return copy


def _require_digest(file: SpoolFile, expected: str) -> None:
    hashing = hashlib.sha256()
    file.hash_into(hashing, 0, file.size)
    if hashing.hexdigest() != expected:
        raise StoreError("its bytes in the backup are not those of its record")


def in_place(blobs: Iterable[Found]) -> Copy:
    """Return what copies nothing, and only looks whether a blob is among those that there are."""
    there = ListedBlobs()
    there.add_all(blobs)
    return lambda one: Outcome.THERE if there.has(*one[:3]) else Outcome.MISSING


def copy_file(source: str, target: str, mode: int, *, link: bool = False) -> None:
    """Copy in the kernel, or link; the name appears when all bytes are there."""
    if link:
        with suppress(FileNotFoundError):
            os.unlink(target)
        os.link(source, target)
        return
    new = _new_name(target)
    shutil.copyfile(source, new)
    os.chmod(new, mode)
    with open(new, "rb") as copy:
        os.fsync(copy.fileno())
    os.replace(new, target)


def size_of(path: str) -> int:
    """Return the size of a file in bytes, -1 where there is none."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return -1


def _read_into(path: str, store: BlobStore, name: BlobName) -> str:
    """Write a blob to a new file, durably; return its digest."""
    digest = hashlib.sha256()
    with store.open(name) as content, open(path, "xb", buffering=0) as file:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
            view = memoryview(block)
            while view:
                view = view[file.write(view) :]
        os.fchmod(file.fileno(), _BLOB_MODE)
        os.fsync(file.fileno())
    return digest.hexdigest()


def _new_name(target: str) -> str:
    """Return the name of a file on its way to another one; nothing is there any more."""
    with suppress(FileNotFoundError):
        os.unlink(f"{target}.new")
    return f"{target}.new"


def _make_folder_of(path: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
