"""The effects of operators' changes of jobs on deliveries and replays."""

from __future__ import annotations

import time

import pytest

from tests.servers.upload import new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.jobs import Job
from wharf_upload.domain.webhooks import (
    DELIVERY_LANE,
    REPLAY_LANE,
    Delivery,
    Endpoint,
    Replay,
    Secret,
)


def _added(records: SqlRecords) -> Endpoint:
    endpoint = Endpoint(
        tenant="demo",
        id="e1",
        url="https://e1.example/hook",
        secrets=(Secret("sealed"),),
        position=0,
        created_at=1,
    )
    return records.endpoints.add_endpoint(endpoint, 20)


def _delivering(records: SqlRecords, *keys: str) -> Endpoint:
    """Add an endpoint and upload files, with open deliveries of their events."""
    endpoint = _added(records)
    for key in keys:
        records.write(Write(files=(new_file(key),)))
    records.fan_out.fan_out("demo", "e1")
    return endpoint


def _taken(records: SqlRecords, lane: str, share: str) -> Job:
    (turn,) = records.jobs.take(lane, {share: 1}, 600)
    job = records.jobs.begin(turn)
    assert job
    return job


def _dead_delivery(records: SqlRecords) -> Job:
    """Let the handler give up the job of a delivery."""
    job = _taken(records, DELIVERY_LANE, "demo/e1")
    seq = int(job.subject.rpartition("/")[2])
    effects = records.deliveries.failed("demo", "e1", seq, "It gave up.")
    records.jobs.bury(job, "It gave up.", effects)
    return job


def _replaying(records: SqlRecords, name: str = "r") -> bool:
    """Begin a replay; return whether the endpoint has it."""
    wanted = Replay(id=name, position=0, until=1)
    begun = records.endpoints.begin_replay("demo", "e1", wanted)
    return begun is not None and begun.replay is not None


def _replay(records: SqlRecords) -> Replay | None:
    endpoint = records.endpoints.endpoint("demo", "e1")
    assert endpoint
    return endpoint.replay


def _deliveries(records: SqlRecords) -> list[Delivery]:
    return records.deliveries.deliveries("demo", "e1", limit=10)


def test_a_dropped_delivery(records: SqlRecords) -> None:
    """A dropped job ends its open delivery as failed, and no other delivery."""
    _delivering(records, "1", "2")
    job = _taken(records, DELIVERY_LANE, "demo/e1")
    assert records.kept_jobs.drop(ids=[job.id]) == 1
    by_subject = {f"e1/{one.seq}": one for one in _deliveries(records)}
    dropped = by_subject.pop(job.subject)
    assert (dropped.state, dropped.error) == ("failed", "An operator dropped the job.")
    assert dropped.next_at is None
    assert [one.state for one in by_subject.values()] == ["open"]


def test_dropped_deliveries_of_a_lane(records: SqlRecords) -> None:
    """All open deliveries fail when all jobs of their lane are dropped."""
    _delivering(records, "1", "2")
    assert records.kept_jobs.drop(lane=DELIVERY_LANE, tenant="demo") == 2
    assert [one.state for one in _deliveries(records)] == ["failed", "failed"]


def test_a_dropped_dead_delivery(records: SqlRecords) -> None:
    """A dead job that is dropped leaves the reason for which its delivery failed."""
    _delivering(records, "1")
    job = _dead_delivery(records)
    assert records.kept_jobs.drop(dead=True, ids=[job.id]) == 1
    (delivery,) = _deliveries(records)
    assert (delivery.state, delivery.error) == ("failed", "It gave up.")


def test_a_delivery_with_another_job(records: SqlRecords) -> None:
    """A delivery that a client retried stays open when the dead job of its first tries goes."""
    endpoint = _delivering(records, "1")
    job = _dead_delivery(records)
    (delivery,) = _deliveries(records)
    records.deliveries.retry(endpoint, delivery.seq)
    assert records.kept_jobs.drop(dead=True, ids=[job.id]) == 1
    assert [one.state for one in _deliveries(records)] == ["open"]


def test_a_retried_delivery(records: SqlRecords) -> None:
    """A dead job that is retried opens its failed delivery again, which is due immediately."""
    _delivering(records, "1")
    job = _dead_delivery(records)
    before = int(time.time() * 1000)
    assert records.kept_jobs.retry(lane=DELIVERY_LANE, tenant="demo") == 1
    (delivery,) = _deliveries(records)
    assert (delivery.state, delivery.attempts) == ("open", 0)
    assert delivery.next_at is not None
    assert before <= delivery.next_at <= time.time() * 1000
    assert _taken(records, DELIVERY_LANE, "demo/e1").id == job.id


def test_a_retried_job_of_a_delivery_that_is_done(records: SqlRecords) -> None:
    """A dead job that is retried does not open a delivery that has reached its receiver."""
    _delivering(records, "1")
    _dead_delivery(records)
    with records._database.transaction() as connection:
        connection.execute("UPDATE deliveries SET state = 'done' WHERE tenant = 'demo'")
    assert records.kept_jobs.retry(lane=DELIVERY_LANE, tenant="demo") == 1
    assert [one.state for one in _deliveries(records)] == ["done"]


@pytest.mark.parametrize("is_taken", [False, True])
def test_a_retried_job_of_a_delivery_with_another_job(
    records: SqlRecords, *, is_taken: bool
) -> None:
    """A dead job that is retried gives way to the job with which a client retried the delivery."""
    endpoint = _delivering(records, "1")
    dead = _dead_delivery(records)
    (delivery,) = _deliveries(records)
    records.deliveries.retry(endpoint, delivery.seq)
    (other,) = records.kept_jobs.jobs(tenant="demo", limit=5)
    taken = _taken(records, DELIVERY_LANE, "demo/e1")
    if not is_taken:
        records.jobs.again(taken, 3600, "HTTP 500")
    assert records.kept_jobs.retry(ids=[dead.id]) == 1
    (left,) = records.kept_jobs.jobs(tenant="demo", limit=5)
    assert (left.id, left.lease_until is not None) == (other.id, is_taken)
    assert records.kept_jobs.jobs(tenant="demo", dead=True, limit=5) == []
    assert [one.state for one in _deliveries(records)] == ["open"]
    if not is_taken:
        assert _taken(records, DELIVERY_LANE, "demo/e1").id == other.id


def test_dead_jobs_of_one_delivery(records: SqlRecords) -> None:
    """Of several dead jobs of a delivery, one runs again when all of them are retried."""
    endpoint = _delivering(records, "1")
    _dead_delivery(records)
    records.deliveries.retry(endpoint, _deliveries(records)[0].seq)
    _dead_delivery(records)
    assert records.kept_jobs.retry(lane=DELIVERY_LANE, tenant="demo") == 2
    assert len(records.kept_jobs.jobs(tenant="demo", limit=5)) == 1
    assert [one.state for one in _deliveries(records)] == ["open"]


def test_a_job_without_its_delivery(records: SqlRecords) -> None:
    """Jobs of an endpoint that was deleted are retried and dropped without an error."""
    _delivering(records, "1")
    assert _replaying(records)
    job = _dead_delivery(records)
    records.endpoints.delete_endpoint("demo", "e1")
    assert records.kept_jobs.retry(ids=[job.id]) == 1
    assert records.kept_jobs.drop(tenant="demo") == 2


@pytest.mark.parametrize("is_dead", [False, True])
def test_a_dropped_replay(records: SqlRecords, *, is_dead: bool) -> None:
    """A dropped job ends its replay, so that the next replay can begin."""
    _added(records)
    assert _replaying(records)
    job = _taken(records, REPLAY_LANE, "demo")
    if is_dead:
        records.jobs.bury(job, "why")
    assert records.kept_jobs.drop(dead=is_dead, ids=[job.id]) == 1
    assert _replay(records) is None
    assert _replaying(records, "next")


def test_a_dropped_job_of_an_older_replay(records: SqlRecords) -> None:
    """A dropped job leaves a replay with another id."""
    _added(records)
    assert _replaying(records, "old")
    job = _taken(records, REPLAY_LANE, "demo")
    while records.fan_out.replay_step("demo", "e1", "old"):
        pass
    assert _replaying(records, "new")
    assert records.kept_jobs.drop(ids=[job.id]) == 1
    assert _replay(records) == Replay(id="new", position=0, until=0)


@pytest.mark.usefixtures("all_tenants")
def test_a_forgotten_replay(records: SqlRecords) -> None:
    """A dead job keeps its replay for a retry until the job is forgotten."""
    _added(records)
    assert _replaying(records)
    records.jobs.bury(_taken(records, REPLAY_LANE, "demo"), "why")
    assert records.kept_jobs.forget_dead(0) == 0
    assert _replay(records) is not None
    assert records.kept_jobs.forget_dead(1 << 60) == 1
    assert _replay(records) is None
