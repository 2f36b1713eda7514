"""Backup and restore of everything that the upload service keeps: `wharf-upload backup|restore`.

A backup is a folder: `upload.db` (all rows as of one moment), `tenants/…` (every blob that a row
names), `resumable/…` (what arrived of unfinished uploads), and last `manifest.json`, without which
it is none. A second backup into the same folder copies only what is new. Blobs never change, so
the service goes on meanwhile; the sweeper removes nothing until the copy is there.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from servicekit.database import backup_manifest, snapshots
from servicekit.database.backup_manifest import BackupError, sha256_of
from wharf_upload.database.contract import SavedRows
from wharf_upload.maintenance.installation import BlobFolder, Installation
from wharf_upload.storage.base import BlobName
from wharf_upload.storage.parked_slices import is_parked

SCHEMA = snapshots.Schema(Path(__file__).parents[1] / "migrations", "alembic_version")
_ROWS, _PARTS = "upload.db", "resumable"
_BLOB_MODE, _PART_MODE = 0o440, 0o600


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


def backup(own: Installation, folder: Path, progress: Progress, *, link: bool = False) -> Counts:
    """Make `folder` a backup of now; `link` gives blobs a second name instead of copying them.

    Raises:
        BackupError: the rows cannot be saved.
        OSError: something cannot be read or written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    rows, parts = folder / _ROWS, folder / _PARTS
    # Half a backup of now is worth less than a whole one of then, until it is whole.
    new_rows, new_parts = folder / f"{_ROWS}.next", folder / f"{_PARTS}.next"
    if trouble := own.trouble():
        raise BackupError(f"the database cannot be saved: {trouble}")
    with own.pause.hold():
        snapshots.save(own.database_url, SCHEMA, new_rows)
        with own.saved_rows(new_rows) as saved:
            counts = _copy_blobs(
                saved, own.blobs_in(own.data), own.blobs_in(folder), progress, link=link
            )
            counts.uploads = _save_parts(own, saved, new_parts)
    backup_manifest.remove(folder)
    shutil.rmtree(parts, ignore_errors=True)
    new_parts.rename(parts)
    new_rows.replace(rows)
    with own.saved_rows(rows) as saved:
        _remove_others(saved, own.blobs_in(folder))
    digest = sha256_of(rows)
    backup_manifest.write(
        folder, Manifest(int(time.time()), counts.files, counts.bytes, digest, counts.missing)
    )
    return counts


def restore(own: Installation, folder: Path, progress: Progress, *, link: bool = False) -> Counts:
    """Fill an empty installation from a backup; bytes first, so that no row waits for any.

    What a run that was cut short has copied is not copied again.

    Raises:
        BackupError: it is no whole backup, or the installation is not empty.
        OSError: something cannot be read or written.
    """
    manifest, rows = backup_manifest.read(folder, Manifest), folder / _ROWS
    if sha256_of(rows) != manifest.rows_sha256:
        raise BackupError(f"{rows} is damaged: its digest is not the manifest's")
    store = own.blobs_in(own.data)
    store.make()
    with own.saved_rows(rows) as saved:
        counts = _copy_blobs(saved, own.blobs_in(folder), store, progress, link=link)
        if counts.missing > manifest.missing:
            raise BackupError(f"the backup lacks the bytes of {counts.missing} files")
        counts.uploads = _restore_parts(saved, folder / _PARTS, own.resumable_folder)
    snapshots.load(rows, SCHEMA, own.database_url)
    return counts


def _copy_blobs(
    saved: SavedRows, source: BlobFolder, into: BlobFolder, progress: Progress, *, link: bool
) -> Counts:
    """Copy every blob that the rows name from one folder to the other."""
    counts, total = Counts(), saved.total_bytes()
    for tenant, blob, size in saved.blobs():
        counts.files += 1
        counts.bytes += size
        name = BlobName(tenant, blob)
        target = into.path(name)
        if _size(target) != size:
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            try:
                _copy(source.path(name), target, _BLOB_MODE, link=link)
            except FileNotFoundError:
                counts.missing += 1
                continue
            counts.copied_files += 1
            counts.copied_bytes += size
        progress(counts.bytes, total)
    os.sync()
    return counts


def _save_parts(own: Installation, saved: SavedRows, into: Path) -> int:
    """Save what arrived of unfinished uploads and is verified; return the number of uploads."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(mode=0o700)
    # Before what they may be joined to meanwhile.
    _copy_parked(own.resumable_folder, into)
    return sum(_save_part(own, tenant, name, into / name) for tenant, name in saved.unfinished())


def _save_part(own: Installation, tenant: str, name: str, copy: Path) -> bool:
    """Copy what arrived of one unfinished upload; return false if it has ended meanwhile."""
    # What comes with a checksum counts once that is known to be right. Of two sizes, one before
    # and one after the look at the row, bytes below the smaller one are not taken back.
    part = str(own.resumable_folder / name)
    size = _size(part)
    upload = own.uploads.get(tenant, name)
    size = min(size, _size(part))
    if upload is None or upload.file is not None or size < 0:
        return False
    try:
        _copy(part, str(copy), _PART_MODE)
    except FileNotFoundError:
        return False
    os.truncate(copy, size if upload.discard_from is None else min(size, upload.discard_from))
    return True


def _copy_parked(source: Path, into: Path) -> None:
    """Copy slices of files that wait for those in front of them."""
    for path in source.glob("*-*-*"):
        if is_parked(path.name):
            with suppress(FileNotFoundError):  # joined meanwhile
                _copy(str(path), str(into / path.name), _PART_MODE)


def _restore_parts(saved: SavedRows, source: Path, into: Path) -> int:
    """Restore unfinished uploads; one without bytes, which ended meanwhile, begins anew."""
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    _copy_parked(source, into)
    count = 0
    for _, name in saved.unfinished():
        count += 1
        try:
            _copy(str(source / name), str(into / name), _PART_MODE)
        except FileNotFoundError:
            (into / name).touch(_PART_MODE)
    return count


def _copy(source: str, target: str, mode: int, *, link: bool = False) -> None:
    """Copy in the kernel, or link; the name appears when all bytes are there."""
    new = target if link else f"{target}.new"
    with suppress(FileNotFoundError):
        os.unlink(new)
    if link:
        os.link(source, target)
        return
    shutil.copyfile(source, new)
    os.chmod(new, mode)
    with open(new, "rb") as copy:
        os.fsync(copy.fileno())
    os.replace(new, target)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return -1


def _remove_others(saved: SavedRows, folder: BlobFolder) -> None:
    """Remove blobs of an earlier backup that no row of this one names."""
    for found in folder.blobs():
        if not saved.has_blob(found.name.tenant, found.name.blob):
            with suppress(FileNotFoundError):
                os.unlink(folder.path(found.name))
