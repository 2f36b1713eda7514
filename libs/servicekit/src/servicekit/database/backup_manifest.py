"""The manifest of a backup: a folder without this file, which is written last, is no backup."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TypeVar

import msgspec

from servicekit import atomic_file

_NAME = "manifest.json"
# The advice to an operator whose backup is damaged.
ADVICE = "copy it from another copy of this backup, or restore an older backup"
# The format of the manifests that this release writes. This release also reads older formats.
FORMAT = 1
M = TypeVar("M", bound=msgspec.Struct)


class _AnyManifest(msgspec.Struct):
    """The part of a manifest that every format has."""

    format: int = FORMAT


class BackupError(Exception):
    """A fault of a backup that the operator has to correct; the message is one line."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(folder: Path, manifest: msgspec.Struct) -> None:
    """Write the manifest after all other files are on the disk, which completes the backup."""
    os.sync()
    atomic_file.write(folder / _NAME, msgspec.json.encode(manifest) + b"\n", durable=True)


def remove(folder: Path) -> None:
    """Remove the manifest, so that the folder is no backup until the next manifest."""
    (folder / _NAME).unlink(missing_ok=True)


def read(folder: Path, kind: type[M]) -> M:
    """Return the manifest; raise `BackupError` if this release cannot restore the folder."""
    try:
        content = (folder / _NAME).read_bytes()
        found = msgspec.json.decode(content, type=_AnyManifest).format
        if found > FORMAT:
            raise BackupError(
                f"{folder} is a backup of a newer release: its format is {found}, and this release "
                f"knows {FORMAT}; restore it with the release that made it, or a newer release"
            )
        return msgspec.json.decode(content, type=kind)
    except FileNotFoundError:
        raise BackupError(
            f"{folder} is no whole backup: it has no {_NAME}; run the backup again"
        ) from None
    except msgspec.DecodeError as error:
        raise BackupError(f"{folder / _NAME} is damaged: {error}; {ADVICE}") from None


def require_digest(path: Path, sha256: str) -> None:
    """Raise `BackupError` if a file of the backup is missing or has another digest."""
    if not path.is_file():
        raise BackupError(f"{path} is missing in the backup; {ADVICE}")
    if sha256_of(path) != sha256:
        raise BackupError(f"{path} is damaged: its digest differs from the manifest; {ADVICE}")
