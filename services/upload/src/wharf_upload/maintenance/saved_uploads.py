"""What a backup has of unfinished uploads: the bytes that arrived and are verified."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from servicekit.database.backup_manifest import sha256_of
from wharf_upload.database.contract import SavedRows
from wharf_upload.maintenance.blob_copies import copy_file, size_of
from wharf_upload.maintenance.installation import Installation
from wharf_upload.storage.parked_slices import is_parked

log = logging.getLogger(__name__)
_MODE = 0o600


def save(own: Installation, saved: SavedRows, into: Path) -> int:
    """Save what arrived of unfinished uploads and is verified; return the number of uploads."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(mode=0o700)
    # Before what they may be joined to meanwhile.
    _copy_parked(own.resumable_folder, into)
    return sum(_save(own, tenant, name, into / name) for tenant, name in saved.unfinished())


def digests_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that was saved, by its name."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir())}


def lost(folder: Path, digests: dict[str, str]) -> list[Path]:
    """Return the files that are not there any more, or not as they were saved."""
    found = []
    for name, digest in sorted(digests.items()):
        path = folder / name
        if not path.is_file() or sha256_of(path) != digest:
            log.warning("%s is missing in the backup, or damaged", path)
            found.append(path)
    return found


def restore(saved: SavedRows, source: Path, into: Path, *, without: Collection[Path] = ()) -> int:
    """Restore unfinished uploads; one without bytes, which ended meanwhile, begins anew.

    `without` are files whose bytes are not right: they count as none.
    """
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    _copy_parked(source, into, without)
    count = 0
    for _, name in saved.unfinished():
        count += 1
        try:
            if source / name in without:
                raise FileNotFoundError
            copy_file(str(source / name), str(into / name), _MODE)
        except FileNotFoundError:
            (into / name).touch(_MODE)
    return count


def _save(own: Installation, tenant: str, name: str, copy: Path) -> bool:
    """Copy what arrived of one unfinished upload; return false if it has ended meanwhile."""
    # What comes with a checksum counts once that is known to be right. Of two sizes, one before
    # and one after the look at the row, bytes below the smaller one are not taken back.
    part = str(own.resumable_folder / name)
    size = size_of(part)
    upload = own.uploads.get(tenant, name)
    size = min(size, size_of(part))
    if upload is None or upload.file is not None or size < 0:
        return False
    try:
        copy_file(part, str(copy), _MODE)
    except FileNotFoundError:
        return False
    os.truncate(copy, size if upload.discard_from is None else min(size, upload.discard_from))
    return True


def _copy_parked(source: Path, into: Path, without: Collection[Path] = ()) -> None:
    """Copy slices of files that wait for those in front of them."""
    for path in source.glob("*-*-*"):
        if is_parked(path.name) and path not in without:
            with suppress(FileNotFoundError):  # joined meanwhile
                copy_file(str(path), str(into / path.name), _MODE)
