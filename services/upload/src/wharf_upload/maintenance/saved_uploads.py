"""The incomplete uploads in a backup: their verified bytes."""

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
    """Save the verified bytes of incomplete uploads; return the number of uploads."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(mode=0o700)
    # Parked slices come first, because they may be joined to their file during the backup.
    _copy_parked(own.resumable_folder, into)
    return sum(_save(own, tenant, name, into / name) for tenant, name in saved.unfinished())


def digests_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each saved file, by its name."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir())}


def lost(folder: Path, digests: dict[str, str]) -> list[Path]:
    """Return the files that are missing in the backup, or damaged."""
    found = []
    for name, digest in sorted(digests.items()):
        path = folder / name
        if not path.is_file() or sha256_of(path) != digest:
            log.warning("%s is missing in the backup, or damaged", path)
            found.append(path)
    return found


def restore(saved: SavedRows, source: Path, into: Path, *, without: Collection[Path] = ()) -> int:
    """Restore incomplete uploads; return their number.

    An upload without saved bytes had ended during the backup, and starts again with no bytes.
    `without` contains lost files: their uploads also start again with no bytes.
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
    """Copy the verified bytes of one incomplete upload; return false if it has ended."""
    # Bytes with a checksum count only after the checksum is verified. The size is read before and
    # after the row: no request discards bytes below the smaller size.
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
    """Copy parked slices, except the damaged ones in `without`."""
    for path in source.glob("*-*-*"):
        if is_parked(path.name) and path not in without:
            with suppress(FileNotFoundError):  # joined in the meantime
                copy_file(str(path), str(into / path.name), _MODE)
