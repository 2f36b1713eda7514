"""Endpoints, their deliveries and the jobs of these, as rows of a test's database."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.servers.upload import new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.jobs import Job
from wharf_upload.domain.webhooks import DELIVERY_LANE, Answer, Delivery, Endpoint, Secret, tried


def new_endpoint(name: str = "e1", **fields: Any) -> Endpoint:
    """Return an endpoint of the tenant `demo`, with other `fields`."""
    values: dict[str, Any] = {
        "tenant": "demo",
        "id": name,
        "url": f"https://{name}.example/hook",
        "secrets": (Secret("sealed"),),
        "position": 0,
        "created_at": 1,
        **fields,
    }
    return Endpoint(**values)


def added(records: SqlRecords, name: str = "e1", **fields: Any) -> Endpoint:
    """Add an endpoint, and return it."""
    return records.endpoints.add_endpoint(new_endpoint(name, **fields), 20)


def write_files(
    records: SqlRecords, *keys: str, bucket: str = "default", tenant: str = "demo"
) -> None:
    """Write the rows of files, and so their events."""
    for key in keys:
        records.write(Write(files=(new_file(key, bucket=bucket, tenant=tenant),)))


def deliveries_of(records: SqlRecords, name: str = "e1") -> list[Delivery]:
    """Return the deliveries of an endpoint of `demo`, the newest first."""
    return records.deliveries.deliveries("demo", name, limit=1000)


def delivered_keys(records: SqlRecords, name: str = "e1") -> list[str]:
    """Return the keys of the files whose events have deliveries, the oldest first."""
    events = [records.event("demo", delivery.seq) for delivery in deliveries_of(records, name)]
    return [event.file.key for event in reversed(events) if event and event.file]


def taken_jobs(records: SqlRecords) -> list[Job]:
    """Take all due jobs of the endpoints `e1` and `e2`, and begin them."""
    jobs = [
        records.jobs.begin(turn)
        for turn in records.jobs.take(DELIVERY_LANE, {"demo/e1": 1000, "demo/e2": 1000}, 600)
    ]
    return [job for job in jobs if job]


def answer(records: SqlRecords, job: Job, **fields: Any) -> Delivery:
    """End a job with the effects of an answer; return the delivery."""
    name, _, seq = job.subject.rpartition("/")
    endpoint = records.endpoints.endpoint("demo", name)
    delivery = records.deliveries.delivery("demo", name, int(seq))
    assert endpoint
    assert delivery
    result = tried(delivery, Answer(**{"at": 1_000, **fields}))
    records.jobs.done(job, records.deliveries.tried(endpoint, delivery, result))
    after = records.deliveries.delivery("demo", name, int(seq))
    assert after
    return after


def set_state(records: SqlRecords, state: Any) -> None:
    """Set the state of the endpoint `e1`."""
    records.endpoints.change_endpoint(
        "demo", "e1", lambda known: msgspec.structs.replace(known, state=state)
    )
