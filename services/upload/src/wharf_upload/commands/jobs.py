"""The command `wharf-upload jobs`: a process that runs jobs, and lists of jobs for operators."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from servicekit import logs, settings
from wharf_upload import signals
from wharf_upload.domain.jobs import KeptJob
from wharf_upload.settings import Settings

_PAGE = 500
_ID = re.compile(r"[0-9a-f]{32}")
_LANE = click.option("--lane", default="", help="Only jobs of this lane.")
_TENANT = click.option("--tenant", default="", help="Only jobs of this tenant.")
_IDS = click.option("--id", "ids", multiple=True, help="Only the job with this id; repeatable.")
_YES = click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")


@click.group(invoke_without_command=True)
@click.pass_context
def jobs(context: click.Context) -> None:
    """Run jobs until TERM, or list, retry and drop jobs.

    Without a further command, the process runs the jobs that the worker sends through Redis
    (WHARF_JOBS_ENGINE=dramatiq). Any number of these processes may run.
    """
    if context.invoked_subcommand is not None:
        return
    own: Settings = context.obj
    logs.configure("jobs", own.log_level)
    from wharf_upload.processes import jobs as running

    try:
        signals.load(own.receivers)
        running.run_until_signal(own)
    except settings.SettingsError as error:
        sys.exit(f"wharf-upload: {error}")


@jobs.command("list")
@_LANE
@_TENANT
@click.option("--dead", is_flag=True, help="List the dead jobs instead of the others.")
@click.pass_obj
def list_jobs(own: Settings, lane: str, tenant: str, *, dead: bool) -> None:
    """Print jobs as JSON, one per line, in the order in which they were added.

    The state is `waiting`, `taken` or `dead`; `at` is the time of the next run, of the end of the
    lease, or of the death.
    """
    for job in _pages(own, lane, tenant, dead=dead):
        click.echo(_line(job))


@jobs.command("retry")
@_LANE
@_TENANT
@_IDS
@click.pass_obj
def retry_jobs(own: Settings, lane: str, tenant: str, ids: tuple[str, ...]) -> None:
    """Let dead jobs run again, with all their tries; failed deliveries of webhooks begin again.

    Exit with 1 if an id names no dead job.
    """
    _need_filter(lane, tenant, ids)
    _change(ids, lambda names: _kept(own).retry(lane=lane, tenant=tenant, ids=names), "retried")


@jobs.command("drop")
@_LANE
@_TENANT
@_IDS
@click.option("--dead", is_flag=True, help="Drop dead jobs instead of the others.")
@_YES
@click.pass_obj
def drop_jobs(
    own: Settings, lane: str, tenant: str, ids: tuple[str, ...], *, dead: bool, yes: bool
) -> None:
    """Remove jobs, whose work is then never done: deliveries fail, and replays end.

    A job that runs at this moment has no effect on the database. Exit with 1 if an id names no job.
    """
    _need_filter(lane, tenant, ids)
    kind = "dead jobs" if dead else "jobs"
    if not ids and not yes:
        of = " and ".join(f"{name} {value}" for name, value in _given(lane, tenant))
        click.confirm(f"Drop all {kind} of {of}?", abort=True, err=True)
    _change(
        ids,
        lambda names: _kept(own).drop(lane=lane, tenant=tenant, dead=dead, ids=names),
        "dropped",
    )


def _given(lane: str, tenant: str) -> Iterator[tuple[str, str]]:
    for name, value in (("lane", lane), ("tenant", tenant)):
        if value:
            yield name, value


def _need_filter(lane: str, tenant: str, ids: tuple[str, ...]) -> None:
    if bool(ids) == bool(lane or tenant):
        sys.exit("wharf-upload: give ids of jobs (--id), or a lane or tenant (--lane, --tenant)")


def _change(ids: tuple[str, ...], change: Callable[[list[str]], int], done: str) -> None:
    # PostgreSQL refuses texts that contain NUL.
    possible = [name for name in dict.fromkeys(ids) if _ID.fullmatch(name)]
    # Without ids, the call would change all jobs that match the filters.
    count = change(possible) if possible or not ids else 0
    click.echo(f"{done}: {count}")
    missing = len(set(ids)) - count
    if ids and missing:
        sys.exit(f"wharf-upload: ids without such a job: {missing}")


def _kept(own: Settings) -> Any:
    from wharf_upload import bootstrap

    return bootstrap.open_live_records(own).kept_jobs


def _pages(own: Settings, lane: str, tenant: str, *, dead: bool) -> Iterator[KeptJob]:
    kept, after = _kept(own), ""
    while page := kept.jobs(lane=lane, tenant=tenant, dead=dead, after=after, limit=_PAGE):
        yield from page
        after = page[-1].id


def _line(job: KeptJob) -> str:
    """Return the job as one line of JSON, with times in UTC."""
    state, at = "waiting", job.run_at
    if job.died_at is not None:
        state, at = "dead", job.died_at
    elif job.lease_until is not None:
        state, at = "taken", job.lease_until
    shown = {
        "id": job.id,
        "lane": job.lane,
        "tenant": job.tenant,
        "share": job.share,
        "subject": job.subject,
        "state": state,
        "at": datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds"),
        "tries": job.tries,
        "error": job.error,
    }
    return msgspec.json.encode(shown).decode()
