"""The command `wharf-upload`, with which operators start and maintain the upload service."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from servicekit import command_line, logs, serving, settings
from servicekit.database import DatabaseUnavailable
from wharf_upload import signals
from wharf_upload.commands.backups import backup, restore
from wharf_upload.commands.jobs import jobs
from wharf_upload.commands.links import links
from wharf_upload.commands.secrets import secrets
from wharf_upload.commands.webhooks import webhooks
from wharf_upload.settings import Settings
from wharf_upload.storage.base import StoreError


@click.group()
@click.pass_context
def cli(context: click.Context) -> None:
    """Start and maintain Wharf's upload service.

    The settings are read from the environment (WHARF_…).
    """
    try:
        context.obj = settings.read(Settings)
    except settings.SettingsError as error:
        sys.exit(f"wharf-upload: {error}")
    logs.configure("upload", context.obj.log_level)


@cli.command()
@click.option(
    "--starts",
    is_flag=True,
    help="Also end the reservations of bodies under way, if the gateway does not respond.",
)
@click.pass_obj
def migrate(own: Settings, *, starts: bool) -> None:
    """Migrate the database to this version.

    The command is safe at any time and may be repeated.
    """
    _migrate(own)
    if starts:
        from wharf_upload.bootstrap import forget_bodies

        forget_bodies(own)


def _migrate(own: Settings) -> None:
    from wharf_upload.bootstrap import is_migrated
    from wharf_upload.webhook_bootstrap import ensure_keys

    ensure_keys(own)
    if is_migrated(own):
        return
    # SQLAlchemy and Alembic are needed only to migrate, so import them only now.
    from servicekit.database import migrating

    migrating.upgrade(own.effective_database_url, Path(__file__).parent / "migrations")


@cli.command()
@click.pass_obj
def serve(own: Settings) -> None:
    """Serve in a container.

    Migrate the database first, unless WHARF_SERVE_PREPARES is false. Then start uWSGI.
    """
    serving.ini_file("upload")
    if own.serve_prepares:
        _migrate(own)
    own_socket = os.environ.get("WHARF_UPLOAD_SOCKET", "")
    serving.run_uwsgi("upload", [own_socket, str(own.receiver_socket)])


@cli.command("await-gateway")
@click.option(
    "--seconds", type=click.IntRange(min=0), default=60, help="Longest time to wait, in seconds."
)
@click.pass_obj
def await_gateway(own: Settings, seconds: int) -> None:
    """Wait until the gateway of this service has ended.

    If the gateway and the service are stopped at the same time, the gateway must end first, because
    it still sends requests to the service.
    """
    import time

    from kept_sockets import fd_stores, new_socket

    def answers(store: str) -> bool:
        with new_socket(5.0) as connection:
            return connection.connect_ex(store) == 0

    deadline = time.monotonic() + seconds
    folder = str(own.receiver_socket.parent)
    while any(map(answers, fd_stores(folder))):
        if time.monotonic() > deadline:
            sys.exit(f"the gateway has not ended in {seconds} s")
        time.sleep(0.2)


@cli.command()
@click.pass_obj
def worker(own: Settings) -> None:
    """Run the worker, which does the background work, until TERM."""
    from wharf_upload.processes import worker as background

    logs.configure("worker", own.log_level)
    try:
        signals.load(own.receivers)
    except settings.SettingsError as error:
        sys.exit(f"wharf-upload: {error}")
    background.run_until_signal(own)


@cli.command()
@click.pass_obj
def live(own: Settings) -> None:
    """Send events to clients until TERM.

    The protocols are Socket.IO and SSE (docs/live.md).
    """
    logs.configure("live", own.log_level)
    from wharf_upload.processes.lean_imports import without_unused

    with without_unused():
        # Only this command needs the packages of the extra `live`.
        from wharf_upload.processes import live as channel

    channel.run_until_signal(own)


@cli.command()
@click.option("--dry-run", is_flag=True, help="Only print what the sweeper would remove.")
@click.option(
    "--older-than",
    "older_than_seconds",
    type=click.IntRange(min=0),
    help="Least age of what is removed, in seconds, instead of WHARF_LEASE_SECONDS and "
    "WHARF_DELETED_GRACE_SECONDS. Stop the service before you use 0: uploads under way would be "
    "removed as leftovers.",
)
@click.pass_obj
def sweep(own: Settings, dry_run: bool, older_than_seconds: int | None) -> None:  # noqa: FBT001 -- click passes options so
    """Remove deleted files' bytes and leftovers.

    Leftovers are files without a record, for instance from crashes.

    On an object store this command checks all blobs. The worker checks only the blobs of hours that
    it has not checked yet.
    """
    from dataclasses import replace

    from wharf_upload import bootstrap
    from wharf_upload.maintenance import sweep_metrics

    if older_than_seconds is not None:
        own = replace(
            own, lease_seconds=older_than_seconds, deleted_grace_seconds=older_than_seconds
        )
    backends = bootstrap.open_backends(own)
    swept = bootstrap.sweeper(own, backends, dry_run=dry_run).run(all_hours=True)
    uploads = bootstrap.sweep_uploads(own, backends, dry_run=dry_run)()
    for name in (*swept.names, *uploads.names) if dry_run else ():
        click.echo(f"would remove {name}")
    for name, count in sweep_metrics.counts(swept, uploads).items():
        click.echo(f"{name}: {count}")


@cli.command()
@click.option("--read-all", is_flag=True, help="Also read every file and compare its digest.")
@click.pass_obj
def check(own: Settings, read_all: bool) -> None:  # noqa: FBT001 -- click passes options so
    """Compare the records with the files.

    Exit with 1 if a file is missing or damaged. Files without a record count as leftovers, not as
    faults: the worker or `wharf-upload sweep` removes them. Wharf may run during the check.
    """
    import time

    from wharf_upload import bootstrap
    from wharf_upload.maintenance import integrity
    from wharf_upload.maintenance.listed_blobs import ListedBlobs

    backends, listed = bootstrap.open_backends(own), ListedBlobs()
    store, records = backends.store, backends.records
    limit = time.time() - own.lease_seconds
    left = _told(integrity.leftovers(store, records, limit, listed))
    found = _told(integrity.faults(store, records, read_all=read_all, listed=listed))
    if own.data_shared:  # otherwise partial uploads are on the disks of several replicas
        found += _told(integrity.upload_faults(backends.parts, backends.uploads))
    click.echo(f"leftovers: {left}")
    click.echo(f"faults: {found}")
    if found:
        sys.exit(1)


def _told(lines: Iterable[str]) -> int:
    """Print the lines; return their number."""
    count = 0
    for line in lines:
        click.echo(line)
        count += 1
    return count


@cli.command("move-blobs")
@click.option("--dry-run", is_flag=True, help="Only print how much is in the old place.")
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Number of files that are copied at the same time.",
)
@click.option(
    "--rate-bytes-per-second",
    "rate",
    type=click.IntRange(min=1),
    help="Most bytes to read per second. Without this option there is no limit.",
)
@click.pass_obj
def move_blobs(own: Settings, dry_run: bool, parallel: int, rate: int | None) -> None:  # noqa: FBT001 -- click passes options so
    """Move the files' bytes to another store.

    The bytes move from WHARF_BLOB_OLD_URL to WHARF_BLOB_URL. The service may run during the move if
    all its processes have both settings. After a run was killed, run the command again: it
    continues. Exit with 1 if the bytes of a file cannot be moved.
    """
    from wharf_upload import bootstrap
    from wharf_upload.maintenance import blobs_left, moving_blobs
    from wharf_upload.maintenance.move_progress import MoveProgress

    backends = bootstrap.open_backends(own)
    _, old = bootstrap.moving_stores(own)
    left = blobs_left.left(old, backends.records)
    click.echo(f"in the old place: {left}")
    if dry_run:
        return
    progress = MoveProgress(left, click.echo)
    mover = bootstrap.blob_mover(
        own, backends, progress.show, parallel=parallel, bytes_per_second=rate
    )
    try:
        lease = moving_blobs.take_turn(backends.leases)
    except moving_blobs.AlreadyMovingError as error:
        sys.exit(f"wharf-upload: {error}")
    try:
        moved = mover.run()
    finally:
        lease.release()
    for line in moved.faults:
        click.echo(line)
    click.echo(f"moved: {moved.removed_files} files")
    left = blobs_left.left(old, backends.records)
    click.echo(blobs_left.advice(left, faults=len(moved.faults)))
    if moved.faults:
        sys.exit(1)


cli.add_command(backup)
cli.add_command(jobs)
cli.add_command(links)
cli.add_command(restore)
cli.add_command(secrets)
cli.add_command(webhooks)


def main() -> None:
    """Run the console script."""
    command_line.end_on_term()
    os.umask(0o077)
    try:
        cli()
    except (DatabaseUnavailable, StoreError, settings.SettingsError) as error:
        sys.exit(f"wharf-upload: {error}")
    except OSError as error:
        sys.exit(f"wharf-upload: {error.filename or 'the system'}: {error.strerror}")
