"""Backup and restore of everything that the upload service keeps: `wharf-upload backup|restore`.

A backup is a folder: `upload.db` (all rows as of one moment), `tenants/…` (every blob that a row
names), `resumable/…` (what arrived of unfinished uploads), and last `manifest.json`, without which
it is none. A second backup into the same folder copies only what is new. Blobs never change, so
the service goes on meanwhile; the sweeper removes nothing until the copy is there.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from servicekit import atomic_file
from servicekit.database import Database, open_database, snapshots
from servicekit.database.snapshot_tables import SnapshotError, reading
from servicekit.database.snapshots import Schema
from wharf_upload.maintenance import backup_manifest
from wharf_upload.maintenance.backup_manifest import Manifest, sha256_of
from wharf_upload.maintenance.collection_pause import GarbageCollectionPause
from wharf_upload.storage.base import BlobName, Found

SCHEMA = Schema(Path(__file__).parents[1] / "migrations", "alembic_version")
_ROWS = "upload.db"
_BLOB_MODE, _PART_MODE = 0o440, 0o600
_BLOCK_BYTES = 1 << 20


class BlobFolder(Protocol):
    """The blobs of a data folder, each a file."""

    def make(self) -> None:
        """Make the folders."""

    def path(self, name: BlobName) -> str:
        """Return the path of the blob's file."""

    def blobs(self) -> Iterator[Found]:
        """Yield all blobs."""


@dataclass(frozen=True)
class Installation:
    """What is copied; `blobs_in` returns the blobs below a data folder."""

    data: Path
    database_url: str
    resumable_folder: Path
    blobs_in: Callable[[Path], BlobFolder]


@dataclass
class Counts:
    """What was done: files and bytes in all, how many of them were copied now."""

    files: int = 0
    bytes: int = 0
    copied_files: int = 0
    copied_bytes: int = 0
    uploads: int = 0
    missing: int = 0


# Is told after each file: how many of how many bytes there are by now.
Progress = Callable[[int, int], None]
Copy = Callable[[str, str], None]


def backup(own: Installation, folder: Path, progress: Progress, *, link: bool = False) -> Counts:
    """Make `folder` a backup of now; `link` gives blobs a second name instead of copying them.

    Raises:
        SnapshotError: the rows cannot be saved.
        OSError: something cannot be read or written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with GarbageCollectionPause(own.data).hold():
        # Half a backup of now is worth less than a whole one of then, until it is whole.
        rows = folder / f"{_ROWS}.next"
        snapshots.save(own.database_url, SCHEMA, rows)
        (folder / "tenants").mkdir(mode=0o700, exist_ok=True)
        source, into = own.blobs_in(own.data), own.blobs_in(folder)
        counts = _copy_all(rows, source, into, progress, link=link)
        counts.uploads = _save_parts(own, rows, folder / "resumable")
        backup_manifest.remove(folder)
        rows.replace(folder / _ROWS)
    _remove_others(folder / _ROWS, own.blobs_in(folder))
    backup_manifest.write(
        folder,
        Manifest(
            made_at=int(time.time()),
            files=counts.files,
            bytes=counts.bytes,
            rows_sha256=sha256_of(folder / _ROWS),
            missing=counts.missing,
        ),
    )
    return counts


def restore(own: Installation, folder: Path, progress: Progress, *, link: bool = False) -> Counts:
    """Fill an empty installation from a backup; bytes first, so that no row waits for any.

    What a run that was cut short has copied is not copied again.

    Raises:
        SnapshotError: it is no whole backup, or the installation is not empty.
        OSError: something cannot be read or written.
    """
    manifest = backup_manifest.read(folder)
    if sha256_of(folder / _ROWS) != manifest.rows_sha256:
        raise SnapshotError(f"{folder / _ROWS} is damaged: its digest is not the manifest's")
    store = own.blobs_in(own.data)
    store.make()
    counts = _copy_all(folder / _ROWS, own.blobs_in(folder), store, progress, link=link)
    if counts.missing > manifest.missing:
        raise SnapshotError(f"the backup lacks the bytes of {counts.missing} files")
    own.resumable_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    counts.uploads = _restore_parts(own, folder / _ROWS, folder / "resumable")
    snapshots.load(folder / _ROWS, SCHEMA, own.database_url)
    return counts


def _copy_all(
    rows: Path, source: BlobFolder, into: BlobFolder, progress: Progress, *, link: bool
) -> Counts:
    """Copy every blob that the rows name from one store to the other."""
    counts, total = Counts(), _total(rows)
    copy: Copy = _linked if link else _copied
    for name, size in _named(rows):
        counts.files += 1
        counts.bytes += size
        target = into.path(name)
        if _size(target) != size:
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            try:
                copy(source.path(name), target)
            except FileNotFoundError:
                counts.missing += 1
                continue
            counts.copied_files += 1
            counts.copied_bytes += size
        progress(counts.bytes, total)
    os.sync()
    return counts


def _total(rows: Path) -> int:
    with closing(reading(rows)) as database:
        return int(database.execute("SELECT coalesce(sum(size), 0) FROM files").fetchone()[0])


def _named(rows: Path) -> Iterator[tuple[BlobName, int]]:
    with closing(reading(rows)) as database:
        for tenant, blob, size in database.execute("SELECT tenant, blob, size FROM files"):
            yield BlobName(tenant, blob), size


def _save_parts(own: Installation, rows: Path, into: Path) -> int:
    """Save what arrived of unfinished uploads and is verified; return the number of uploads."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(mode=0o700)
    saved = 0
    with closing(open_database(own.database_url)) as database:
        for name in _unfinished(rows):
            saved += _save_part(database, own.resumable_folder / name, into / name)
    return saved


def _save_part(database: Database, part: Path, copy: Path) -> bool:
    """Copy what arrived of one unfinished upload; return false if it has ended meanwhile."""
    # What comes with a checksum counts once that is known to be right. Of two sizes, one before
    # and one after the look at the row, bytes below the smaller one are not taken back.
    size = _size(str(part))
    row = database.reading().row(
        "SELECT discard_from FROM uploads WHERE id = ? AND file IS NULL", (part.name,)
    )
    size = min(size, _size(str(part)))
    if row is None or size < 0:
        return False
    try:
        _copy_begin(part, copy, size if row[0] is None else min(size, row[0]))
    except FileNotFoundError:
        return False
    return True


def _restore_parts(own: Installation, rows: Path, source: Path) -> int:
    """Restore unfinished uploads; one without bytes, which ended meanwhile, begins anew."""
    names = _unfinished(rows)
    for name in names:
        target = own.resumable_folder / name
        try:
            _copied(str(source / name), str(target), _PART_MODE)
        except FileNotFoundError:
            target.touch(_PART_MODE)
    return len(names)


def _unfinished(rows: Path) -> list[str]:
    with closing(reading(rows)) as database:
        return [row[0] for row in database.execute("SELECT id FROM uploads WHERE file IS NULL")]


def _copy_begin(source: Path, target: Path, size: int) -> None:
    with open(source, "rb") as file, open(target, "xb") as copy:
        os.fchmod(copy.fileno(), _PART_MODE)
        while size and (block := file.read(min(size, _BLOCK_BYTES))):
            copy.write(block)
            size -= len(block)


def _copied(source: str, target: str, mode: int = _BLOB_MODE) -> None:
    """Copy in the kernel; the name appears when all bytes are there."""
    with atomic_file.replacing(Path(target), mode=0o600) as file:
        shutil.copyfile(source, file.name)
        os.fchmod(file.fileno(), mode)
        # The names are synced all at once, when the last one is there.
        os.fsync(file.fileno())


def _linked(source: str, target: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(target)
    os.link(source, target)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return -1


def _remove_others(rows: Path, store: BlobFolder) -> None:
    """Remove blobs of an earlier backup that no row of this one names."""
    with closing(reading(rows)) as database:
        for found in store.blobs():
            if not _is_named(database, found.name):
                with suppress(FileNotFoundError):
                    os.unlink(store.path(found.name))


def _is_named(database: sqlite3.Connection, name: BlobName) -> bool:
    # By the blob alone: that is what the index is of.
    row = database.execute("SELECT tenant FROM files WHERE blob = ?", (name.blob,)).fetchone()
    return row is not None and row[0] == name.tenant
