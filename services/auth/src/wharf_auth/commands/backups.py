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
_NEXT = ".next"
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

    The service may run meanwhile. An older backup there stays until the new one is whole. Keep the
    folder as safe as the keys themselves.
    """
    from servicekit.database import snapshots

    own = auth_settings.read()
    new = folder / _NEXT
    shutil.rmtree(new, ignore_errors=True)
    (new / _KEYS).mkdir(mode=0o700, parents=True)
    for closed in (folder, new):
        closed.chmod(0o700)
    # Keys first: a rotation meanwhile adds one that the rows do not know of.
    keys = sorted(own.keys_directory.glob(f"*{signing.SUFFIX}"))
    if not keys:
        raise click.ClickException(f"there are no keys in {own.keys_directory}: nothing is saved")
    for key in keys:
        _copy(key, new / _KEYS / key.name)
    if own.credentials_path.exists():
        _copy(own.credentials_path, new / _CREDENTIALS)
    schema = snapshots.Schema(_MIGRATIONS, VERSION_TABLE)
    with _plainly():
        snapshots.save(own.effective_database_url, schema, new / _ROWS)
    digests = {name: _sha256(new / name) for name in _files(new)}
    _put_in_place(new, folder)
    manifest = _Manifest(int(time.time()), digests)
    private_files.write(folder / _MANIFEST, msgspec.json.encode(manifest) + b"\n")
    click.echo(f"saved accounts and {len(digests) - 1} files with secrets in {folder}")


def _put_in_place(new: Path, folder: Path) -> None:
    """Replaces the older backup by the new one; without its manifest it is none meanwhile."""
    (folder / _MANIFEST).unlink(missing_ok=True)
    for name in (_ROWS, _KEYS, _CREDENTIALS):
        old = folder / name
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink(missing_ok=True)
        if (new / name).exists():
            (new / name).rename(old)
    new.rmdir()


@click.command()
@click.option(
    "--records-only",
    is_flag=True,
    help="No keys and no credentials: they are in place already, e.g. mounted from secrets.",
)
@_FOLDER
def restore(folder: Path, *, records_only: bool) -> None:
    """Fill an empty installation from the backup in FOLDER, on SQLite or PostgreSQL.

    The service must not run, and must not have been started here before. What was cut short is run
    again.
    """
    from servicekit.database import snapshots

    own = auth_settings.read()
    names = _checked(folder)
    # Where each file goes; the rows come last, and in one transaction.
    wanted = {} if records_only else _places(own, folder, names)
    for place, source in wanted.items():
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _copy(source, place)
    schema = snapshots.Schema(_MIGRATIONS, VERSION_TABLE)
    with _plainly():
        snapshots.load(folder / _ROWS, schema, own.effective_database_url)
    click.echo(f"restored accounts and {len(wanted)} files with secrets")


def _places(own: auth_settings.Settings, folder: Path, names: list[str]) -> dict[Path, Path]:
    """The files with secrets of the backup by where they go; refuses to replace any other."""
    wanted = {
        own.keys_directory / Path(name).name: folder / name
        for name in names
        if name.startswith(f"{_KEYS}/")
    }
    if _CREDENTIALS in names:
        wanted[own.credentials_path] = folder / _CREDENTIALS
    for path in [*own.keys_directory.glob(f"*{signing.SUFFIX}"), own.credentials_path]:
        if path.exists() and (path not in wanted or _sha256(path) != _sha256(wanted[path])):
            raise click.ClickException(
                f"{path} is there already and not of this backup; restore needs an empty "
                "installation, or --records-only where keys and credentials come from elsewhere "
                "(WHARF_KEYS, WHARF_CREDENTIALS), e.g. from a secret"
            )
    return wanted


@contextmanager
def _plainly() -> Iterator[None]:
    """What is wrong with a snapshot is for the operator."""
    from servicekit.database.snapshot_tables import SnapshotError

    try:
        yield
    except SnapshotError as error:
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
