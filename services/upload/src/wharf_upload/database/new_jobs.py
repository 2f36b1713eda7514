"""Writes the rows of new jobs, in the transaction of the change that asks for the jobs."""

from __future__ import annotations

from collections.abc import Sequence

from servicekit.database import Connection
from servicekit.ids import uuid7_hex
from wharf_upload.database.now import NOW
from wharf_upload.domain.jobs import NewJob


def insert_jobs(connection: Connection, dialect: str, jobs: Sequence[NewJob]) -> None:
    """Write rows of new jobs."""
    now = NOW[dialect]
    connection.execute_many(
        "INSERT INTO jobs (id, lane, share, tenant, subject, run_at, turn, tries, created_at, "  # noqa: S608 -- constants only
        f"error) VALUES (?, ?, ?, ?, ?, {now} + ?, 0, 0, {now}, '')",
        [
            (
                uuid7_hex(),
                job.lane,
                job.share or job.tenant,
                job.tenant,
                job.subject,
                int(job.after_seconds * 1000),
            )
            for job in jobs
        ],
    )
