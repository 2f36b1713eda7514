"""The manifest of a backup: without it, a folder is none."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from servicekit import atomic_file
from servicekit.database.snapshot_tables import SnapshotError

_NAME = "manifest.json"


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


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(folder: Path, manifest: Manifest) -> None:
    """Make the folder a whole backup; the manifest is the last file of it on the disk."""
    os.sync()
    atomic_file.write(folder / _NAME, msgspec.json.encode(manifest) + b"\n", durable=True)


def remove(folder: Path) -> None:
    """Make the folder none, until the next manifest."""
    (folder / _NAME).unlink(missing_ok=True)


def read(folder: Path) -> Manifest:
    """Return the manifest; raises `SnapshotError` for what is no whole backup."""
    try:
        return msgspec.json.decode((folder / _NAME).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise SnapshotError(
            f"{folder} is no whole backup: it has no {_NAME}; run the backup again"
        ) from None
    except msgspec.DecodeError as error:
        raise SnapshotError(f"{folder / _NAME} is damaged: {error}") from None
