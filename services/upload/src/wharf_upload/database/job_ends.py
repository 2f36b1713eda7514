"""Effects on deliveries and replays when an operator or the worker changes kept jobs.

A handler makes these changes itself when it ends its job. The functions run in the transaction that
changes the row of the job.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from servicekit.database import Connection
from wharf_upload.database.delivery_rows import (
    FIND,
    begin_again,
    find_delivery,
    job_runs_soon,
)
from wharf_upload.database.endpoints import find_endpoint, store
from wharf_upload.domain.webhooks import DELIVERY_LANE, REPLAY_LANE, subject_of

COLUMNS = "tenant, lane, share, subject"
# Operators must be able to drop a job whose subject is damaged.
_DELIVERY = re.compile(r".+/-?[0-9]{1,18}")
_DROPPED = "An operator dropped the job."
# A client that retried the delivery may have added another job for it.
_HAS_JOB = "SELECT 1 FROM jobs WHERE tenant = ? AND lane = ? AND share = ? AND subject = ? LIMIT 1"


class ChangedJob(NamedTuple):
    """The values of a changed job in the order of `COLUMNS`."""

    tenant: str
    lane: str
    share: str
    subject: str


def dropped(connection: Connection, job: ChangedJob) -> None:
    """End the delivery or the replay of a job whose row was removed."""
    if job.lane == DELIVERY_LANE:
        _fail_delivery(connection, job)
    elif job.lane == REPLAY_LANE:
        _end_replay(connection, job)


def another_runs(connection: Connection, dialect: str, job: ChangedJob) -> bool:
    """Tell whether the delivery of a dead job has another job, and let this job run now.

    A client or another dead job may have let the delivery begin again. With two jobs, Wharf would
    try the delivery twice at the same time.
    """
    return job.lane == DELIVERY_LANE and job_runs_soon(connection, dialect, job.share, job.subject)


def retried(connection: Connection, job: ChangedJob) -> None:
    """Let the delivery of a dead job begin again; the death of a job ends no replay.

    A delivery that has reached its receiver stays as it is.
    """
    if job.lane != DELIVERY_LANE or not _DELIVERY.fullmatch(job.subject):
        return
    endpoint, seq = subject_of(job.subject)
    found = find_delivery(connection, job.tenant, endpoint, seq)
    if found is not None and found.state != "done":
        begin_again(connection, found)


def _fail_delivery(connection: Connection, job: ChangedJob) -> None:
    if not _DELIVERY.fullmatch(job.subject) or connection.row(_HAS_JOB, job):
        return
    connection.execute(
        f"UPDATE deliveries SET state = 'failed', error = ?, next_at = NULL {FIND} "  # noqa: S608 -- constants only
        "AND state = 'open'",
        (_DROPPED, job.tenant, *subject_of(job.subject)),
    )


def _end_replay(connection: Connection, job: ChangedJob) -> None:
    name, _, replay = job.subject.rpartition("/")
    endpoint = find_endpoint(connection, job.tenant, name)
    if endpoint is not None and endpoint.replay is not None and endpoint.replay.id == replay:
        store(connection, msgspec.structs.replace(endpoint, replay=None))
