"""The rows of deliveries: their tries, retries, tests and removal."""

from __future__ import annotations

import time

import msgspec
import pytest

from servicekit.database import Database
from tests.servers.endpoint_rows import (
    added,
    answer,
    delivered_keys,
    deliveries_of,
    taken_jobs,
    write_files,
)
from wharf_upload.database import deliveries
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.jobs import Job
from wharf_upload.domain.webhooks import DELIVERY_LANE, Answer, tried


def _is_second(records: SqlRecords, job: Job) -> bool:
    """Tell whether a job delivers the event of the file `2`."""
    event = records.event("demo", int(job.subject.rpartition("/")[2]))
    return event is not None and event.file is not None and event.file.key == "2"


def test_what_a_try_changes(records: SqlRecords) -> None:
    """A delivery keeps the status, the time and the text of its last answer, and counts tries."""
    added(records)
    write_files(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = taken_jobs(records)
    delivery = answer(records, job, status=500, milliseconds=20, body="no", error="HTTP 500")
    assert (delivery.state, delivery.attempts, delivery.status) == ("open", 1, 500)
    assert (delivery.milliseconds, delivery.answer, delivery.error) == (20, "no", "HTTP 500")
    assert delivery.tried_at == 1_000
    assert delivery.next_at is not None
    assert 5_400 < delivery.next_at < 6_600
    failed = records.deliveries.deliveries("demo", "e1", state="failed", limit=5)
    assert failed == []


def test_a_retry(records: SqlRecords) -> None:
    """A delivery that has ended begins again with a new job; an open one runs immediately."""
    endpoint = added(records)
    write_files(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = taken_jobs(records)
    done = answer(records, job, status=200)
    again = records.deliveries.retry(endpoint, done.seq)
    assert again
    assert (again.state, again.attempts) == ("open", 0)
    (job,) = taken_jobs(records)
    records.jobs.again(job, 3600, "HTTP 500")
    assert taken_jobs(records) == []
    assert records.deliveries.retry(endpoint, done.seq)
    assert len(taken_jobs(records)) == 1
    assert records.deliveries.retry(endpoint, 5) is None


def test_the_result_before_a_retry(records: SqlRecords) -> None:
    """A delivery that begins again shows nothing of its earlier tries."""
    endpoint = added(records)
    write_files(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (new,) = deliveries_of(records)
    (job,) = taken_jobs(records)
    ended = answer(records, job, status=410, milliseconds=7, error="Gone", body="no")
    assert (ended.state, ended.status) == ("failed", 410)
    begun = records.deliveries.retry(endpoint, ended.seq)
    assert begun
    times = {"created_at": begun.created_at, "next_at": begun.created_at}
    assert begun == msgspec.structs.replace(new, **times)
    assert deliveries_of(records) == [begun]


def test_the_next_try_after_a_retry(records: SqlRecords) -> None:
    """An open delivery that is retried is due immediately, and keeps the result of its last try."""
    endpoint = added(records)
    write_files(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = taken_jobs(records)
    tried_once = answer(records, job, status=500, at=int(time.time() * 1000) + 3_600_000)
    again = records.deliveries.retry(endpoint, tried_once.seq)
    assert again
    assert tried_once.next_at is not None
    assert again.next_at is not None
    assert again.next_at < tried_once.next_at
    assert again == msgspec.structs.replace(tried_once, next_at=again.next_at)


def test_a_retry_without_a_job(records: SqlRecords, database: Database) -> None:
    """An open delivery without a job gets a new job by a retry, and only one."""
    endpoint = added(records)
    write_files(records, "1")
    records.fan_out.fan_out("demo", "e1")
    with database.transaction() as connection:
        connection.execute("DELETE FROM jobs WHERE tenant = 'demo'")
    (delivery,) = deliveries_of(records)
    for _ in range(2):
        assert records.deliveries.retry(endpoint, delivery.seq)
    assert len(taken_jobs(records)) == 1


@pytest.mark.usefixtures("all_tenants")
def test_a_retry_is_due_now(records: SqlRecords) -> None:
    """A retry does not look like a job that has waited for years."""
    endpoint = added(records)
    write_files(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = taken_jobs(records)
    records.jobs.again(job, 3600, "HTTP 500")
    records.deliveries.retry(endpoint, deliveries_of(records)[0].seq)
    assert records.kept_jobs.state(DELIVERY_LANE).oldest_seconds < 3600


def test_a_try_of_a_skipped_delivery(records: SqlRecords) -> None:
    """A try that ends after its delivery was skipped does not open the delivery again."""
    added(records)
    write_files(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = taken_jobs(records)
    before = deliveries_of(records)[0]
    known = records.endpoints.endpoint("demo", "e1")
    assert known
    records.endpoints.skip_to_now("demo", "e1")
    result = tried(before, Answer(at=1, status=500))
    effects = records.deliveries.tried(known, before, result)
    records.jobs.again(job, 5, "HTTP 500", counts=False, effects=effects)
    assert deliveries_of(records)[0].state == "failed"


def test_tests(records: SqlRecords) -> None:
    """Test deliveries have numbers below 0 of their own, and each has a job."""
    endpoint = added(records)
    numbers = [records.deliveries.add_test(endpoint, 7).seq for _ in range(3)]
    assert numbers == [-7000, -7001, -7002]
    assert len(taken_jobs(records)) == 3
    assert {delivery.kind for delivery in deliveries_of(records)} == {"webhook.test"}


@pytest.mark.usefixtures("all_tenants")
def test_forgotten_deliveries(records: SqlRecords) -> None:
    """Deliveries that have ended are forgotten by the time of their creation; open ones stay."""
    added(records)
    write_files(records, "1", "2")
    records.fan_out.fan_out("demo", "e1")
    ended = answer(records, taken_jobs(records)[0], status=200)
    assert records.deliveries.forget_deliveries(ended.created_at) == 0
    assert records.deliveries.forget_deliveries(ended.created_at + 60_000) == 1
    assert [delivery.state for delivery in deliveries_of(records)] == ["open"]


def test_too_many_deliveries(records: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an endpoint with too many deliveries, those of the oldest events go; open ones stay."""
    monkeypatch.setattr(deliveries, "_OLD_AT_ONCE", 2)
    own, other = added(records, "e1"), added(records, "e2")
    records.deliveries.add_test(own, 1_000)
    write_files(records, *"123456789")
    for name in ("e1", "e2"):
        records.fan_out.fan_out("demo", name)
    for job in taken_jobs(records):
        if records.event("demo", int(job.subject.rpartition("/")[2])) and not _is_second(
            records, job
        ):
            answer(records, job, status=200)
    assert records.deliveries.forget_surplus("demo", "e1", 9) == 0
    assert records.deliveries.forget_surplus("demo", "e1", 3) == 5
    assert delivered_keys(records) == ["2", "7", "8", "9"]
    assert [one.kind for one in deliveries_of(records) if one.seq < 0] == ["webhook.test"]
    assert len(deliveries_of(records, other.id)) == 9
