"""The manifest of a backup: the file that is written last, and without which a folder is none."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TypeVar

import msgspec

from servicekit import atomic_file

_NAME = "manifest.json"
M = TypeVar("M", bound=msgspec.Struct)


class BackupError(Exception):
    """What the operator has to put right; the message is one line."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(folder: Path, manifest: msgspec.Struct) -> None:
    """Make the folder a whole backup; the manifest is the last file of it on the disk."""
    os.sync()
    atomic_file.write(folder / _NAME, msgspec.json.encode(manifest) + b"\n", durable=True)


def remove(folder: Path) -> None:
    """Make the folder none, until the next manifest."""
    (folder / _NAME).unlink(missing_ok=True)


def read(folder: Path, kind: type[M]) -> M:
    """Return the manifest; raises `BackupError` for what is no whole backup."""
    try:
        return msgspec.json.decode((folder / _NAME).read_bytes(), type=kind)
    except FileNotFoundError:
        raise BackupError(
            f"{folder} is no whole backup: it has no {_NAME}; run the backup again"
        ) from None
    except msgspec.DecodeError as error:
        raise BackupError(f"{folder / _NAME} is damaged: {error}") from None
