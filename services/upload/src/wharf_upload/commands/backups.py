"""The commands `wharf-upload backup` and `wharf-upload restore`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wharf_upload.settings import Settings

_LINK = click.option(
    "--link",
    is_flag=True,
    help="Make hard links instead of copies of the files' bytes; on one file system only.",
)
_RECORDS_ONLY = click.option(
    "--records-only",
    is_flag=True,
    help="Do not copy the files' bytes: they are in an object store with its own backup.",
)
_FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


@click.command("backup")
@_FOLDER
@_LINK
@_RECORDS_ONLY
@click.pass_obj
def backup(own: Settings, /, folder: Path, **options: bool) -> None:
    """Copy all records and files into FOLDER.

    A later run into the same FOLDER copies new files. The service may run during the backup. The
    backup does not contain the keys of WHARF_SECRETS_KEY_FILE: the output names the keys that a
    restore needs.
    """
    _copy(own, folder, "backup", **options)
    keys = _sealing_keys(folder)
    if keys:
        from wharf_upload import webhook_bootstrap

        path = webhook_bootstrap.key_file(own)
        click.echo(f"sealing keys: {' '.join(keys)} (not in the backup: copy {path})")


@click.command("restore")
@_FOLDER
@_LINK
@_RECORDS_ONLY
@click.option(
    "--skip-damaged",
    is_flag=True,
    help="Restore a damaged backup without its damaged files, which are then missing.",
)
@click.option(
    "--deliver-again",
    is_flag=True,
    help="Let webhooks continue after the events that they had delivered at the time of the backup."
    " Without this option, they deliver only events that are recorded after the restore.",
)
@click.pass_obj
def restore(own: Settings, /, folder: Path, **options: bool) -> None:
    """Restore a backup into an empty installation.

    FOLDER has the backup. The database may be SQLite or PostgreSQL. Stop the service before.
    Afterwards `wharf-upload check --read-all` compares every digest.
    """
    from wharf_upload import webhook_bootstrap

    _copy(own, folder, "restore", **options)
    missing = webhook_bootstrap.missing_keys(own, _sealing_keys(folder))
    if missing:
        click.echo(
            f"{webhook_bootstrap.key_file(own)} lacks the keys {' '.join(missing)}: copy the file "
            "from the old installation before you start Wharf; otherwise no webhook is delivered "
            "until its secret is rotated",
            err=True,
        )


def _sealing_keys(folder: Path) -> tuple[str, ...]:
    """Return the ids of the keys that seal the secrets of a complete backup."""
    from servicekit.database import backup_manifest
    from wharf_upload.maintenance.backup import Manifest

    return backup_manifest.read(folder, Manifest).sealing_keys


def _copy(own: Settings, folder: Path, which: str, **options: bool) -> None:
    from servicekit.database.backup_manifest import BackupError
    from wharf_upload import bootstrap
    from wharf_upload.maintenance import backup as copying

    run = copying.backup if which == "backup" else copying.restore
    try:
        with click.progressbar(length=1, label=which, width=30) as bar:

            def progress(done: int, total: int) -> None:
                bar.length = total or 1
                bar.update(done - bar.pos)

            counts = run(bootstrap.installation(own), folder, progress, **options)
    except BackupError as error:
        sys.exit(f"wharf-upload: {error}")
    except OSError as error:
        sys.exit(f"wharf-upload: {error.filename or 'the disk'}: {error.strerror}")
    for name, count in vars(counts).items():
        click.echo(f"{name}: {count}")
    if counts.lost:
        click.echo("`wharf-upload check` names the files whose bytes are missing", err=True)
        sys.exit(1)
