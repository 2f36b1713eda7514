"""Jobs of the lane `test`, with an effect that can be counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from servicekit.database import Connection
from wharf_upload.database.sql import SqlRecords
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.domain.jobs import Effects, Job, NewJob


def effect(job: Job) -> Effects:
    """Return an effect: it adds 1 to the row of the job's subject."""

    def add(connection: Connection, _: UnitOfWork) -> None:
        connection.execute(
            "INSERT INTO swept_hours (place, until) VALUES (?, 1) "
            "ON CONFLICT (place) DO UPDATE SET until = swept_hours.until + 1",
            (job.subject,),
        )

    return add


def effects_of(records: SqlRecords) -> Counter[str]:
    """Return how often each subject had its effect."""
    return Counter(dict(records.database.reading().rows("SELECT place, until FROM swept_hours")))


def add(records: SqlRecords, *subjects: str, tenant: str = "demo", **fields: Any) -> None:
    """Add jobs to the lane `test`."""
    records.jobs.add(
        [NewJob(lane="test", tenant=tenant, subject=subject, **fields) for subject in subjects]
    )
