"""Backup and restore of everything that the upload service keeps: `wharf-upload backup|restore`.

A backup is a folder: `upload.db` (all rows as of one moment), `tenants/…` (every blob that a row
names), `resumable/…` (what arrived of unfinished uploads), and last `manifest.json`, without which
it is none. A second backup into the same folder copies only what is new. Blobs never change, so
the service goes on meanwhile; the sweeper removes nothing until the copy is there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from servicekit.database import Database, open_database, snapshots
from servicekit.database.snapshot_tables import SnapshotError, reading
from servicekit.database.snapshots import Schema
from wharf_upload.holding import Holds
from wharf_upload.settings import Settings
from wharf_upload.stores.base import BlobName
from wharf_upload.stores.local import LocalStore

SCHEMA = Schema(Path(__file__).parent / "migrations", "alembic_version")
_ROWS, _MANIFEST = "upload.db", "manifest.json"
_BLOB_MODE, _PART_MODE = 0o440, 0o600
_BLOCK_BYTES = 1 << 20


class Manifest(msgspec.Struct):
    """What a whole backup has beside it. `made_at` is in unix seconds.

    `missing` files had no bytes even where the backup comes from.
    """

    made_at: int
    files: int
    bytes: int
    rows_sha256: str
    missing: int = 0
    format: int = 1


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


def backup(settings: Settings, folder: Path, progress: Progress, *, link: bool = False) -> Counts:
    """Makes `folder` a backup of now; `link` gives blobs a second name instead of copying them.

    Raises:
        SnapshotError: the rows cannot be saved.
        OSError: something cannot be read or written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Holds(settings.data).hold():
        # Half a backup of now is worth less than a whole one of then, until it is whole.
        rows = folder / f"{_ROWS}.next"
        snapshots.save(settings.effective_database_url, SCHEMA, rows)
        (folder / "tenants").mkdir(mode=0o700, exist_ok=True)
        source, into = LocalStore(settings.data), LocalStore(folder)
        counts = _copy_all(rows, source, into, progress, link=link)
        counts.uploads = _save_parts(settings, rows, folder / "resumable")
        (folder / _MANIFEST).unlink(missing_ok=True)
        rows.replace(folder / _ROWS)
    _remove_others(folder)
    _write(
        folder / _MANIFEST,
        Manifest(
            made_at=int(time.time()),
            files=counts.files,
            bytes=counts.bytes,
            rows_sha256=_sha256(folder / _ROWS),
            missing=counts.missing,
        ),
    )
    return counts


def restore(settings: Settings, folder: Path, progress: Progress, *, link: bool = False) -> Counts:
    """Fills an empty installation from a backup; bytes first, so that no row waits for any.

    What a run that was cut short has copied is not copied again.

    Raises:
        SnapshotError: it is no whole backup, or the installation is not empty.
        OSError: something cannot be read or written.
    """
    manifest = _read(folder)
    if _sha256(folder / _ROWS) != manifest.rows_sha256:
        raise SnapshotError(f"{folder / _ROWS} is damaged: its digest is not the manifest's")
    store = LocalStore(settings.data)
    store.prepare()
    counts = _copy_all(folder / _ROWS, LocalStore(folder), store, progress, link=link)
    if counts.missing > manifest.missing:
        raise SnapshotError(f"the backup lacks the bytes of {counts.missing} files")
    settings.resumable_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    counts.uploads = _restore_parts(settings, folder / _ROWS, folder / "resumable")
    snapshots.load(folder / _ROWS, SCHEMA, settings.effective_database_url)
    return counts


def _copy_all(
    rows: Path, source: LocalStore, into: LocalStore, progress: Progress, *, link: bool
) -> Counts:
    """Every blob that the rows name, from one store to the other; then their names' folders."""
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


def _save_parts(settings: Settings, rows: Path, into: Path) -> int:
    """What arrived of unfinished uploads, and is sure to be theirs; the number of uploads."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(mode=0o700)
    saved = 0
    with closing(open_database(settings.effective_database_url)) as database:
        for name in _unfinished(rows):
            saved += _save_part(database, settings.resumable_folder / name, into / name)
    return saved


def _save_part(database: Database, part: Path, copy: Path) -> bool:
    """Copies what arrived of one unfinished upload; false when it has ended meanwhile."""
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


def _restore_parts(settings: Settings, rows: Path, source: Path) -> int:
    """An upload without its file, which ended while the backup was made, begins anew."""
    names = _unfinished(rows)
    for name in names:
        target = settings.resumable_folder / name
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
    """Copies in the kernel; the name is there when the bytes are."""
    new = f"{target}.new"
    with suppress(FileNotFoundError):
        os.unlink(new)
    shutil.copyfile(source, new)
    os.chmod(new, mode)
    descriptor = os.open(new, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(new, target)


def _linked(source: str, target: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(target)
    os.link(source, target)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return -1


def _remove_others(folder: Path) -> None:
    """Blobs of an earlier backup that no row of this one names."""
    store = LocalStore(folder)
    with closing(reading(folder / _ROWS)) as database:
        for found in store.blobs():
            if not _is_named(database, found.name):
                store.delete(found.name)


def _is_named(database: sqlite3.Connection, name: BlobName) -> bool:
    # By the blob alone: that is what the index is of.
    row = database.execute("SELECT tenant FROM files WHERE blob = ?", (name.blob,)).fetchone()
    return row is not None and row[0] == name.tenant


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, manifest: Manifest) -> None:
    new = path.with_suffix(".next")
    new.write_bytes(msgspec.json.encode(manifest) + b"\n")
    os.sync()
    new.replace(path)
    os.sync()


def _read(folder: Path) -> Manifest:
    try:
        return msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise SnapshotError(
            f"{folder} is no whole backup: it has no {_MANIFEST}; run the backup again"
        ) from None
    except msgspec.DecodeError as error:
        raise SnapshotError(f"{folder / _MANIFEST} is damaged: {error}") from None
