"""Backup and restore of all data of the upload service: `wharf-upload backup|restore`.

A backup is a folder with `upload.db` (all rows at one moment), `tenants/…` (every blob that a row
names), `resumable/…` (the bytes of incomplete uploads), and `manifest.json`, which is written last:
without `manifest.json` the backup is not complete. A second backup into the same folder copies only
new blobs. Blobs never change, so the service keeps running during a backup; the sweeper removes no
blob until the copy is complete.

A backup may copy blobs from any kind of store, and a restore may copy them into any other kind. A
backup with only the records has no blobs: they stay in the store.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from servicekit.database import backup_manifest, snapshots
from servicekit.database.backup_manifest import BackupError, sha256_of
from wharf_upload.database.contract import SavedRows
from wharf_upload.maintenance import blob_copies, saved_uploads, side_by_side
from wharf_upload.maintenance.blob_copies import Counts, Progress
from wharf_upload.maintenance.installation import BlobFolder, Installation

SCHEMA = snapshots.Schema(Path(__file__).parents[1] / "migrations", "alembic_version")
_ROWS, _PARTS = "upload.db", "resumable"


class Manifest(msgspec.Struct):
    """The manifest of a complete backup; `made_at` is in unix seconds.

    `missing` counts files that were missing or damaged in the source already before the backup.
    With `records_only` the backup contains no blobs. `parts_sha256` has the digest of each file in
    `resumable`; it is `None` in backups of earlier releases. `sealing_keys` are the ids of the keys
    that seal the secrets of the rows; the keys themselves are not in the backup.
    """

    made_at: int
    files: int
    bytes: int
    rows_sha256: str
    missing: int = 0
    format: int = 1
    records_only: bool = False
    parts_sha256: dict[str, str] | None = None
    sealing_keys: tuple[str, ...] = ()


def backup(
    own: Installation,
    folder: Path,
    progress: Progress,
    *,
    link: bool = False,
    records_only: bool = False,
) -> Counts:
    """Make `folder` a backup of the present state; `link` makes hard links to blobs, no copies.

    Raises:
        BackupError: the rows cannot be saved, or `link` is set for an object store.
        OSError: a file cannot be read or written.
        StoreError: a blob cannot be read.
    """
    _require_disk(own, link=link)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    rows, parts = folder / _ROWS, folder / _PARTS
    # Until the new backup is complete, the earlier complete backup must stay, because it is worth
    # more than a part of the new backup.
    new_rows, new_parts = folder / f"{_ROWS}.next", folder / f"{_PARTS}.next"
    _require_schema(own)
    with own.pause.hold():
        snapshots.save(own.database_url, SCHEMA, new_rows)
        with own.saved_rows(new_rows) as saved:
            if records_only:
                counts = _in_the_store(saved)
            else:
                counts = _save_blobs(own, saved, folder, progress, link=link)
            counts.uploads = saved_uploads.save(own, saved, new_parts)
    backup_manifest.remove(folder)
    shutil.rmtree(parts, ignore_errors=True)
    new_parts.rename(parts)
    new_rows.replace(rows)
    with own.saved_rows(rows) as saved:
        sealing_keys = tuple(saved.sealing_keys())
        if not records_only:
            _remove_others(saved, own.blobs_in(folder))
    manifest = Manifest(
        made_at=int(time.time()),
        files=counts.files,
        bytes=counts.bytes,
        rows_sha256=sha256_of(rows),
        missing=counts.lost,
        records_only=records_only,
        parts_sha256=saved_uploads.digests_of(parts),
        sealing_keys=sealing_keys,
    )
    backup_manifest.write(folder, manifest)
    return counts


def _require_schema(own: Installation) -> None:
    if error := own.records.check():
        raise BackupError(f"the database cannot be saved: {error}")


def restore(
    own: Installation,
    folder: Path,
    progress: Progress,
    *,
    link: bool = False,
    records_only: bool = False,
    skip_damaged: bool = False,
    deliver_again: bool = False,
) -> Counts:
    """Fill an empty installation from a backup: first all bytes, then the rows.

    Everything that can be checked without reading all bytes is checked before the first write. A
    second run does not copy again what an interrupted run has copied. With `records_only`, or a
    backup without blobs, the restore expects the bytes in the store, and counts the missing ones.
    `skip_damaged` restores the intact part of a damaged backup. Without `deliver_again`, webhooks
    deliver only events that are recorded after the restore.

    Raises:
        BackupError: the backup is incomplete or damaged, or does not fit the installation.
        OSError: a file cannot be read or written.
        StoreError: a blob cannot be stored.
    """
    _require_disk(own, link=link)
    if own.is_moving:
        raise BackupError(
            "an empty installation has no blobs to move: restore it without WHARF_BLOB_OLD_URL"
        )
    manifest, rows = backup_manifest.read(folder, Manifest), folder / _ROWS
    backup_manifest.require_digest(rows, manifest.rows_sha256)
    snapshots.require_loadable(rows, SCHEMA, own.database_url)
    parts = folder / _PARTS
    lost_parts = saved_uploads.lost(parts, manifest.parts_sha256 or {})
    if lost_parts and not skip_damaged:
        raise BackupError(_damage(f"{len(lost_parts)} files of unfinished uploads"))
    with own.saved_rows(rows) as saved:
        if records_only or manifest.records_only:
            counts = blob_copies.copy_all(saved, blob_copies.in_place(own.blobs()), progress)
        else:
            may_lack = None if skip_damaged else manifest.missing
            _require_whole(blob_copies.look(saved, own.blobs_in(folder)), may_lack)
            counts = _restore_blobs(own, saved, folder, progress, link=link)
            _require_whole(counts, may_lack)
        counts.uploads = saved_uploads.restore(
            saved, parts, own.resumable_folder, without=lost_parts
        )
    corrections = own.corrections(own.place, deliver_again=deliver_again)
    snapshots.load(rows, SCHEMA, own.database_url, corrections)
    return counts


def _require_whole(counts: Counts, may_lack: int | None) -> None:
    """Raise `BackupError` if more files are lost than `may_lack`; `None` allows any number."""
    if may_lack is not None and counts.lost > may_lack:
        raise BackupError(
            _damage(f"the bytes of {counts.missing} files are missing, and {counts.damaged} files")
        )


def _damage(what: str) -> str:
    """Return the error text for damaged files; the log has the names of the files."""
    return (
        f"the backup is damaged: {what} are not as they were saved (see above); no record was "
        f"restored; {backup_manifest.ADVICE}, or restore the rest: --skip-damaged"
    )


def _save_blobs(
    own: Installation, saved: SavedRows, folder: Path, progress: Progress, *, link: bool
) -> Counts:
    into = own.blobs_in(folder)
    if own.objects is None:
        source = own.blobs_in(own.data)
        return blob_copies.copy_all(saved, blob_copies.on_disk(source, into, link=link), progress)
    return blob_copies.copy_all(
        saved,
        blob_copies.from_store(own.objects(), into),
        progress,
        threads=side_by_side.THREADS,
    )


def _restore_blobs(
    own: Installation, saved: SavedRows, folder: Path, progress: Progress, *, link: bool
) -> Counts:
    source = own.blobs_in(folder)
    if own.objects is None:
        into = own.blobs_in(own.data)
        into.make()
        return blob_copies.copy_all(saved, blob_copies.on_disk(source, into, link=link), progress)
    return blob_copies.copy_all(
        saved,
        blob_copies.into_store(source, own.objects()),
        progress,
        threads=side_by_side.THREADS,
    )


def _in_the_store(saved: SavedRows) -> Counts:
    """Count the files of a backup without blobs."""
    counts = Counts()
    for one in saved.blobs():
        counts.files += 1
        counts.bytes += one.size
    return counts


def _require_disk(own: Installation, *, link: bool) -> None:
    if link and own.objects is not None:
        raise BackupError(
            "--link makes hard links to files on the disk, but the files of this installation are "
            "in an object store (WHARF_BLOB_URL): leave --link out"
        )


def _remove_others(saved: SavedRows, folder: BlobFolder) -> None:
    """Remove blobs of an earlier backup that no row of this backup names."""
    for found in folder.blobs():
        if not saved.has_blob(found.name.tenant, found.name.blob):
            with suppress(FileNotFoundError):
                os.unlink(folder.path(found.name))
