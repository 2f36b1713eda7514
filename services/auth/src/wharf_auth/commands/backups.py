"""`wharf-auth backup` and `restore`: accounts, sessions, audit log and the signing keys.

A backup is a folder that holds secrets: `auth.db`, `keys/`, `credentials.json` where there is one,
and last `manifest.json`, without which it is none.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from wharf_auth import private_files, signing
from wharf_auth import settings as auth_settings

_ROWS, _KEYS, _CREDENTIALS, _MANIFEST = "auth.db", "keys", "credentials.json", "manifest.json"
_MIGRATIONS = Path(__file__).parents[1] / "migrations"
VERSION_TABLE = "wharf_auth_revision"
_FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


class _Manifest(msgspec.Struct):
    """SHA-256 of each file of the backup by its name in it; when it was made, in unix seconds."""

    made_at: int
    sha256: dict[str, str]
    format: int = 1


@click.command()
@_FOLDER
def backup(folder: Path) -> None:
    """Copy accounts, sessions, the audit log and the private keys into FOLDER.

    The service may run meanwhile. Keep the folder as safe as the keys themselves.
    """
    from servicekit.database import snapshots

    own = auth_settings.read()
    (folder / _KEYS).mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    (folder / _MANIFEST).unlink(missing_ok=True)
    for old in (folder / _KEYS).iterdir():
        old.unlink()
    # Keys first: a rotation meanwhile adds one that the rows do not know of.
    for key in sorted(own.keys_directory.glob(f"*{signing.SUFFIX}")):
        _copy(key, folder / _KEYS / key.name)
    (folder / _CREDENTIALS).unlink(missing_ok=True)
    if own.credentials_path.exists():
        _copy(own.credentials_path, folder / _CREDENTIALS)
    with _plainly():
        snapshots.save(
            own.effective_database_url, snapshots.Schema(_MIGRATIONS, VERSION_TABLE), folder / _ROWS
        )
    manifest = _Manifest(
        int(time.time()), {name: _sha256(folder / name) for name in _files(folder)}
    )
    private_files.write(folder / _MANIFEST, msgspec.json.encode(manifest) + b"\n")
    click.echo(f"saved accounts and {len(manifest.sha256) - 1} files with secrets in {folder}")


@click.command()
@_FOLDER
def restore(folder: Path) -> None:
    """Fill an empty installation from the backup in FOLDER, on SQLite or PostgreSQL.

    The service must not run, and must not have been started here before.
    """
    from servicekit.database import snapshots

    own = auth_settings.read()
    names = _checked(folder)
    if any(own.keys_directory.glob(f"*{signing.SUFFIX}")) or own.credentials_path.exists():
        raise click.ClickException(
            f"{own.data} has keys or credentials already; restore needs an empty installation"
        )
    with _plainly():
        snapshots.load(
            folder / _ROWS, snapshots.Schema(_MIGRATIONS, VERSION_TABLE), own.effective_database_url
        )
    own.keys_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        if name.startswith(f"{_KEYS}/"):
            _copy(folder / name, own.keys_directory / Path(name).name)
    if _CREDENTIALS in names:
        _copy(folder / _CREDENTIALS, own.credentials_path)
    click.echo(f"restored accounts and {len(names) - 1} files with secrets")


@contextmanager
def _plainly() -> Iterator[None]:
    """What is wrong with a snapshot is for the operator."""
    from servicekit.database.snapshot_tables import SnapshotTrouble

    try:
        yield
    except SnapshotTrouble as error:
        raise click.ClickException(str(error)) from None


def _checked(folder: Path) -> list[str]:
    """The names of the backup's files, each as it was when the backup was made."""
    try:
        manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=_Manifest)
    except FileNotFoundError:
        raise click.ClickException(
            f"{folder} is no whole backup: it has no {_MANIFEST}; run the backup again"
        ) from None
    except msgspec.DecodeError as error:
        raise click.ClickException(f"{folder / _MANIFEST} is damaged: {error}") from None
    for name, digest in manifest.sha256.items():
        if not (folder / name).is_file() or _sha256(folder / name) != digest:
            raise click.ClickException(f"{folder / name} is missing or damaged")
    return list(manifest.sha256)


def _files(folder: Path) -> list[str]:
    keys = [f"{_KEYS}/{path.name}" for path in sorted((folder / _KEYS).iterdir())]
    credentials = [_CREDENTIALS] if (folder / _CREDENTIALS).exists() else []
    return [_ROWS, *keys, *credentials]


def _copy(source: Path, target: Path) -> None:
    """With its time of change, which says since when a key is in place."""
    private_files.write(target, source.read_bytes())
    shutil.copystat(source, target)
    target.chmod(0o600)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
