"""The commands `wharf-auth backup` and `restore`: accounts, sessions, audit log and signing keys.

A backup is a folder with secrets: `auth.db`, `keys/`, and `credentials.json` if it exists. The
command writes `manifest.json` last; a folder without it is not a backup.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import click
import msgspec

from servicekit.database import backup_manifest
from servicekit.database.backup_manifest import BackupError, sha256_of
from wharf_auth import private_files, signing
from wharf_auth import settings as auth_settings

_ROWS, _KEYS, _CREDENTIALS = "auth.db", "keys", "credentials.json"
_MIGRATIONS = Path(__file__).parents[1] / "migrations"
VERSION_TABLE, SEEDED = "wharf_auth_revision", frozenset({"latest"})
_FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


class _Manifest(msgspec.Struct):
    """The manifest of a backup: the SHA-256 of each file by its name in the backup.

    `made_at` is the time of the backup in unix seconds.
    """

    made_at: int
    sha256: dict[str, str]
    format: int = 1


@click.command()
@_FOLDER
def backup(folder: Path) -> None:
    """Copy accounts, sessions, the audit log and the private keys into FOLDER.

    The service may run during the backup. An older backup in FOLDER stays until the new backup is
    complete. Protect the folder as well as the keys.
    """
    from servicekit.database import snapshots

    own = auth_settings.read()
    new = folder / ".next"
    shutil.rmtree(new, ignore_errors=True)
    (new / _KEYS).mkdir(mode=0o700, parents=True)
    for closed in (folder, new):
        closed.chmod(0o700)
    # The keys are copied before the rows. So a concurrent rotation never adds a key to the backup
    # that its audit log does not mention.
    secrets = {f"{_KEYS}/{key.name}": key for key in sorted(_keys(own))}
    if not secrets:
        raise BackupError(f"there are no keys in {own.keys_directory}: no backup was made")
    if own.credentials_path.exists():
        secrets[_CREDENTIALS] = own.credentials_path
    for name, path in secrets.items():
        _copy(path, new / name)
    schema = snapshots.Schema(_MIGRATIONS, VERSION_TABLE, SEEDED)
    snapshots.save(own.effective_database_url, schema, new / _ROWS)
    manifest = _Manifest(
        int(time.time()), {name: sha256_of(new / name) for name in (_ROWS, *secrets)}
    )
    _put_in_place(new, folder)
    backup_manifest.write(folder, manifest)
    click.echo(f"saved accounts and {len(secrets)} files with secrets in {folder}")


def _put_in_place(new: Path, folder: Path) -> None:
    """Replace the older backup. First remove its manifest, so that it is not a backup any more."""
    backup_manifest.remove(folder)
    shutil.rmtree(folder / _KEYS, ignore_errors=True)
    for name in (_ROWS, _CREDENTIALS):
        (folder / name).unlink(missing_ok=True)
    for path in list(new.iterdir()):
        path.rename(folder / path.name)
    new.rmdir()


@click.command()
@click.option(
    "--records-only",
    is_flag=True,
    help="Restore no keys and no credentials: they exist already, e.g. mounted from secrets.",
)
@_FOLDER
def restore(folder: Path, *, records_only: bool) -> None:
    """Fill an empty installation from the backup in FOLDER, on SQLite or PostgreSQL.

    The service must not run, and it must never have started on this installation. If the command
    is interrupted, run it again.
    """
    from servicekit.database import snapshots

    own = auth_settings.read()
    schema = snapshots.Schema(_MIGRATIONS, VERSION_TABLE, SEEDED)
    digests = _require_whole(folder)
    # The target of each file with secrets. The rows are loaded last, in one transaction.
    places = {
        name: own.credentials_path if name == _CREDENTIALS else own.keys_directory / Path(name).name
        for name in digests
        if name != _ROWS and not records_only
    }
    if not records_only:
        _refuse_others(own, {path: digests[name] for name, path in places.items()})
    snapshots.require_loadable(folder / _ROWS, schema, own.effective_database_url)
    for name, path in places.items():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _copy(folder / name, path)
    snapshots.load(folder / _ROWS, schema, own.effective_database_url)
    click.echo(f"restored accounts and {len(places)} files with secrets")


def _require_whole(folder: Path) -> dict[str, str]:
    """Return the digests of the backup's files; raise `BackupError` if a file is not whole."""
    digests = backup_manifest.read(folder, _Manifest).sha256
    if _ROWS not in digests or not any(name.startswith(f"{_KEYS}/") for name in digests):
        raise BackupError(
            f"{folder} is no whole backup of wharf-auth: its manifest names no {_ROWS}, or no keys"
        )
    for name, digest in digests.items():
        backup_manifest.require_digest(folder / name, digest)
    return digests


def _keys(own: auth_settings.Settings) -> list[Path]:
    return list(own.keys_directory.glob(f"*{signing.SUFFIX}"))


def _refuse_others(own: auth_settings.Settings, wanted: dict[Path, str]) -> None:
    """Raise `BackupError` if an existing file with secrets has another digest than in `wanted`."""
    for path in [*_keys(own), own.credentials_path]:
        if path.exists() and sha256_of(path) != wanted.get(path):
            raise BackupError(
                f"{path} exists already and is not from this backup; restore needs an empty "
                "installation, or --records-only if keys and credentials come from other places "
                "(WHARF_KEYS, WHARF_CREDENTIALS), e.g. from a secret"
            )


def _copy(source: Path, target: Path) -> None:
    """Copy a file with its modification time, which tells when a key was added."""
    private_files.write(target, source.read_bytes())
    shutil.copystat(source, target)
    target.chmod(0o600)
