"""The manifest of a backup: the file that is written last, and without which a folder is none."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TypeVar

import msgspec

from servicekit import atomic_file

_NAME = "manifest.json"
# For whoever has a backup that is damaged.
ADVICE = "bring it back from another copy of this backup, or restore an older one"
# Of the manifests that this release writes; it reads older ones, too.
FORMAT = 1
M = TypeVar("M", bound=msgspec.Struct)


class _AnyManifest(msgspec.Struct):
    """What every manifest says, of whatever format it is."""

    format: int = FORMAT


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
    """Return the manifest; raises `BackupError` for what is no whole backup of this release."""
    try:
        content = (folder / _NAME).read_bytes()
        found = msgspec.json.decode(content, type=_AnyManifest).format
        if found > FORMAT:
            raise BackupError(
                f"{folder} is a backup of a newer release: its format is {found} and this one "
                f"knows {FORMAT}; restore it with the release that made it, or with a newer one"
            )
        return msgspec.json.decode(content, type=kind)
    except FileNotFoundError:
        raise BackupError(
            f"{folder} is no whole backup: it has no {_NAME}; run the backup again"
        ) from None
    except msgspec.DecodeError as error:
        raise BackupError(f"{folder / _NAME} is damaged: {error}; {ADVICE}") from None


def require_digest(path: Path, sha256: str) -> None:
    """Raise `BackupError` for a file of a backup that is not what the manifest says."""
    if not path.is_file():
        raise BackupError(f"{path} is missing in the backup; {ADVICE}")
    if sha256_of(path) != sha256:
        raise BackupError(f"{path} is damaged: its digest is not the manifest's; {ADVICE}")
