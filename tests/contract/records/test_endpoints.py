"""The rows of webhooks' endpoints, and the deliveries that the fan-out makes of events."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from servicekit.database import Database
from tests.servers.upload import new_file
from wharf_upload.database import deliveries, next_deliveries, restored_rows
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.jobs import Job
from wharf_upload.domain.refusals import LimitReached
from wharf_upload.domain.webhooks import (
    DELIVERY_LANE,
    DISABLED_AFTER_SECONDS,
    PROBING_FAILURES,
    Answer,
    Delivery,
    Endpoint,
    EventFilter,
    Replay,
    Secret,
    tried,
)


def _endpoint(name: str = "e1", **fields: Any) -> Endpoint:
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


def _added(records: SqlRecords, name: str = "e1", **fields: Any) -> Endpoint:
    return records.endpoints.add_endpoint(_endpoint(name, **fields), 20)


def _upload(records: SqlRecords, *keys: str, bucket: str = "default", tenant: str = "demo") -> None:
    for key in keys:
        records.write(Write(files=(new_file(key, bucket=bucket, tenant=tenant),)))


def _deliveries(records: SqlRecords, name: str = "e1") -> list[Delivery]:
    return records.deliveries.deliveries("demo", name, limit=1000)


def _keys(records: SqlRecords, name: str = "e1") -> list[str]:
    """Return the keys of the files whose events have deliveries, the oldest first."""
    events = [records.event("demo", delivery.seq) for delivery in _deliveries(records, name)]
    return [event.file.key for event in reversed(events) if event and event.file]


def _jobs(records: SqlRecords) -> list[Job]:
    jobs = [
        records.jobs.begin(turn)
        for turn in records.jobs.take(DELIVERY_LANE, {"demo/e1": 1000, "demo/e2": 1000}, 600)
    ]
    return [job for job in jobs if job]


def _is_second(records: SqlRecords, job: Job) -> bool:
    """Tell whether a job delivers the event of the file `2`."""
    event = records.event("demo", int(job.subject.rpartition("/")[2]))
    return event is not None and event.file is not None and event.file.key == "2"


def _answer(records: SqlRecords, job: Job, **fields: Any) -> Delivery:
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


def _set_state(records: SqlRecords, state: Any) -> None:
    records.endpoints.change_endpoint(
        "demo", "e1", lambda known: msgspec.structs.replace(known, state=state)
    )


def test_an_endpoint(records: SqlRecords) -> None:
    """An endpoint is read back as it was stored, but with the position of the newest event."""
    _upload(records, "before")
    wanted = _endpoint(
        description="ours",
        filter=EventFilter(kinds=("file.created",), bucket="b", prefix="p/"),
        secrets=(Secret("new"), Secret("old", 5)),
        ordered=True,
        replay=Replay(id="r", position=1, until=2),
    )
    added = records.endpoints.add_endpoint(wanted, 20)
    (event,) = records.events("demo", 0, 10)
    assert added == msgspec.structs.replace(wanted, position=event.seq)
    assert records.endpoints.endpoint("demo", "e1") == added
    assert records.endpoints.endpoints("demo") == [added]
    assert records.endpoints.endpoint("demo", "e2") is None


def test_the_most_endpoints(records: SqlRecords) -> None:
    """A tenant has at most the given number of endpoints; another tenant's do not count."""
    _added(records, "e1")
    with pytest.raises(LimitReached):
        records.endpoints.add_endpoint(_endpoint("e2"), 1)
    records.endpoints.add_endpoint(_endpoint("e2", tenant="other"), 1)


@pytest.mark.usefixtures("all_tenants")
def test_events_after_the_beginning(records: SqlRecords) -> None:
    """An endpoint receives the events after its creation, each once and in order."""
    _upload(records, "before")
    _added(records)
    _upload(records, "1", "2")
    assert records.fan_out.behind(("", ""), 10) == [("demo", "e1")]
    assert records.fan_out.fan_out("demo", "e1")
    _upload(records, "3")
    assert records.fan_out.fan_out("demo", "e1")
    assert not records.fan_out.fan_out("demo", "e1")
    assert _keys(records) == ["1", "2", "3"]
    assert records.fan_out.behind(("", ""), 10) == []
    subjects = {job.subject for job in _jobs(records)}
    assert subjects == {f"e1/{delivery.seq}" for delivery in _deliveries(records)}


def test_a_tenant_without_events(records: SqlRecords) -> None:
    """An endpoint of a tenant without events receives the tenant's first event."""
    _added(records)
    _upload(records, "first")
    records.fan_out.fan_out("demo", "e1")
    assert _keys(records) == ["first"]


@pytest.mark.usefixtures("all_tenants")
def test_filters(records: SqlRecords) -> None:
    """An endpoint receives only events of its kinds, in its bucket and below its prefix."""
    _added(records, filter=EventFilter(kinds=("file.created",), bucket="default", prefix="a/"))
    _upload(records, "a/1", "b/1", "a/2")
    records.delete("demo", "default", "a/1", None)
    records.fan_out.fan_out("demo", "e1")
    assert _keys(records) == ["a/1", "a/2"]
    assert records.fan_out.behind(("", ""), 10) == []


def test_open_deliveries_are_bounded(records: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint has a bounded number of open deliveries, and continues when some have ended."""
    monkeypatch.setattr(Endpoint, "room", 2)
    _added(records)
    _upload(records, *"12345")
    assert records.fan_out.fan_out("demo", "e1")
    assert not records.fan_out.fan_out("demo", "e1")
    jobs = _jobs(records)
    assert len(jobs) == 2
    _answer(records, jobs[0], status=200)
    assert records.fan_out.fan_out("demo", "e1")
    assert _keys(records) == ["1", "2", "3"]


def test_many_events_that_do_not_pass(records: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that do not pass the filter move the position, a bounded number in each commit."""
    monkeypatch.setattr(next_deliveries, "_LOOKED_AT", 2)
    _added(records, filter=EventFilter(prefix="wanted"))
    _upload(records, "1", "2", "3", "wanted")
    assert records.fan_out.fan_out("demo", "e1")
    assert _keys(records) == []
    assert records.fan_out.fan_out("demo", "e1")
    assert _keys(records) == ["wanted"]


@pytest.mark.usefixtures("all_tenants")
@pytest.mark.parametrize("state", ["paused", "disabled"])
def test_an_endpoint_that_is_not_active(records: SqlRecords, state: Any) -> None:
    """An endpoint that is not active makes no deliveries, and continues where it stopped."""
    _added(records)
    _set_state(records, state)
    _upload(records, "1")
    assert records.fan_out.behind(("", ""), 10) == []
    assert not records.fan_out.fan_out("demo", "e1")
    _set_state(records, "active")
    records.fan_out.fan_out("demo", "e1")
    assert _keys(records) == ["1"]


def test_from_now(records: SqlRecords) -> None:
    """An endpoint that skips to now receives only later events, and open deliveries end."""
    _added(records)
    _upload(records, "open")
    records.fan_out.fan_out("demo", "e1")
    _upload(records, "skipped")
    records.endpoints.skip_to_now("demo", "e1")
    (delivery,) = _deliveries(records)
    assert delivery.state == "failed"
    _upload(records, "heard")
    records.fan_out.fan_out("demo", "e1")
    assert _keys(records) == ["open", "heard"]


def test_an_endpoint_becomes_active(records: SqlRecords) -> None:
    """Deliveries that wait for a later time run immediately when their endpoint becomes active."""
    _added(records)
    _upload(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = _jobs(records)
    records.jobs.again(job, 3600, "The endpoint is paused.", counts=False)
    for state in ("paused", "active"):
        assert _jobs(records) == []
        _set_state(records, state)
    assert len(_jobs(records)) == 1


def test_a_replay_of_what_is_still_to_come(records: SqlRecords) -> None:
    """A replay leaves out the events that the endpoint will hear anyway."""
    _added(records)
    _upload(records, "1")
    wanted = Replay(id="r", position=0, until=1 << 62)
    begun = records.endpoints.begin_replay("demo", "e1", wanted)
    assert begun
    assert begun.replay
    while records.fan_out.replay_step("demo", "e1", "r"):
        pass
    assert _deliveries(records) == []
    records.fan_out.fan_out("demo", "e1")
    assert len(_jobs(records)) == 1


def test_an_ordered_endpoint(records: SqlRecords) -> None:
    """An ordered endpoint has one open delivery; its end makes the next one in the same commit."""
    _added(records, ordered=True)
    _upload(records, "1", "2")
    records.fan_out.fan_out("demo", "e1")
    (job,) = _jobs(records)
    assert _keys(records) == ["1"]
    _answer(records, job, status=204)
    assert _keys(records) == ["1", "2"]
    assert len(_jobs(records)) == 1


def test_an_ordered_endpoint_that_fails(records: SqlRecords) -> None:
    """An ordered endpoint makes no next delivery before the last try of the open one."""
    _added(records, ordered=True)
    _upload(records, "1", "2")
    records.fan_out.fan_out("demo", "e1")
    (job,) = _jobs(records)
    _answer(records, job, status=500)
    assert not records.fan_out.fan_out("demo", "e1")
    assert _keys(records) == ["1"]


@pytest.mark.usefixtures("all_tenants")
def test_a_gap(records: SqlRecords, database: Database) -> None:
    """An endpoint knows that events were deleted before it received them."""
    _added(records)
    _upload(records, "1", "2")
    assert records.forget_events(1 << 60) >= 1
    records.fan_out.fan_out("demo", "e1")
    endpoint = records.endpoints.endpoint("demo", "e1")
    assert endpoint
    assert endpoint.gap_at is not None
    assert _keys(records) == ["2"]


def test_what_a_try_changes(records: SqlRecords) -> None:
    """A delivery keeps the status, the time and the text of its last answer, and counts tries."""
    _added(records)
    _upload(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = _jobs(records)
    delivery = _answer(records, job, status=500, milliseconds=20, body="no", error="HTTP 500")
    assert (delivery.state, delivery.attempts, delivery.status) == ("open", 1, 500)
    assert (delivery.milliseconds, delivery.answer, delivery.error) == (20, "no", "HTTP 500")
    assert delivery.tried_at == 1_000
    assert delivery.next_at is not None
    assert 5_400 < delivery.next_at < 6_600
    failed = records.deliveries.deliveries("demo", "e1", state="failed", limit=5)
    assert failed == []


def test_health(records: SqlRecords) -> None:
    """Failures in a row make an endpoint probe with one delivery; a success ends that."""
    _added(records)
    _upload(records, *map(str, range(PROBING_FAILURES + 1)))
    records.fan_out.fan_out("demo", "e1")
    *failing, last = _jobs(records)
    assert records.fan_out.windows(["demo/e1"]) == {}
    for job in failing:
        _answer(records, job, status=500)
    assert records.fan_out.windows(["demo/e1"]) == {"demo/e1": 1}
    _answer(records, last, status=200)
    assert records.fan_out.windows(["demo/e1"]) == {}
    endpoint = records.endpoints.endpoint("demo", "e1")
    assert endpoint
    assert (endpoint.failures, endpoint.failing_since) == (0, None)


def test_a_busy_receiver(records: SqlRecords) -> None:
    """A receiver that is busy gets half as many deliveries at the same time, but never none."""
    _added(records)
    _upload(records, "1", "2", "3", "4")
    records.fan_out.fan_out("demo", "e1")
    windows = []
    for job in _jobs(records):
        _answer(records, job, status=429)
        windows.append(records.fan_out.windows(["demo/e1"])["demo/e1"])
    assert windows == [2, 1, 1, 1]


def test_gone(records: SqlRecords) -> None:
    """A receiver that answers 410 disables its endpoint, with an event; the delivery has failed."""
    _added(records)
    _upload(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = _jobs(records)
    assert _answer(records, job, status=410).state == "failed"
    endpoint = records.endpoints.endpoint("demo", "e1")
    assert endpoint
    assert (endpoint.state, endpoint.reason) == ("disabled", "The receiver answered 410 Gone.")
    event = records.events("demo", 0, 10)[-1]
    assert event.kind == "webhook.disabled"
    assert event.endpoint
    assert (event.endpoint.endpoint, event.endpoint.reason) == ("e1", endpoint.reason)


def test_failures_of_many_days(records: SqlRecords) -> None:
    """An endpoint is disabled once when it has only failed for five days, and not before."""
    _added(records)
    _upload(records, "1", "2", "3", "4")
    records.fan_out.fan_out("demo", "e1")
    first, second, third, fourth = _jobs(records)
    end = 1_000 + DISABLED_AFTER_SECONDS * 1000

    def state(job: Job, at: int) -> str:
        _answer(records, job, status=500, at=at)
        endpoint = records.endpoints.endpoint("demo", "e1")
        assert endpoint
        return endpoint.state

    assert state(first, 1_000) == "active"
    assert state(second, end - 1) == "active"
    assert state(third, end) == "disabled"
    assert state(fourth, end + 1) == "disabled"
    kinds = [event.kind for event in records.events("demo", 0, 10)]
    assert kinds.count("webhook.disabled") == 1


def test_an_answer_of_an_old_address(records: SqlRecords) -> None:
    """An answer from the address that the endpoint had before says nothing about its health."""
    _added(records)
    _upload(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = _jobs(records)
    old = records.endpoints.endpoint("demo", "e1")
    delivery = records.deliveries.delivery("demo", "e1", _deliveries(records)[0].seq)
    assert old
    assert delivery
    records.endpoints.change_endpoint(
        "demo", "e1", lambda known: msgspec.structs.replace(known, url="https://new.example")
    )
    result = tried(delivery, Answer(at=1, status=410))
    records.jobs.done(job, records.deliveries.tried(old, delivery, result))
    endpoint = records.endpoints.endpoint("demo", "e1")
    assert endpoint
    assert endpoint.state == "active"


def test_a_retry(records: SqlRecords) -> None:
    """A delivery that has ended begins again with a new job; an open one runs immediately."""
    endpoint = _added(records)
    _upload(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = _jobs(records)
    done = _answer(records, job, status=200)
    again = records.deliveries.retry(endpoint, done.seq)
    assert again
    assert (again.state, again.attempts) == ("open", 0)
    (job,) = _jobs(records)
    records.jobs.again(job, 3600, "HTTP 500")
    assert _jobs(records) == []
    assert records.deliveries.retry(endpoint, done.seq)
    assert len(_jobs(records)) == 1
    assert records.deliveries.retry(endpoint, 5) is None


def test_the_result_before_a_retry(records: SqlRecords) -> None:
    """A delivery that begins again shows nothing of its earlier tries."""
    endpoint = _added(records)
    _upload(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (new,) = _deliveries(records)
    (job,) = _jobs(records)
    ended = _answer(records, job, status=410, milliseconds=7, error="Gone", body="no")
    assert (ended.state, ended.status) == ("failed", 410)
    begun = records.deliveries.retry(endpoint, ended.seq)
    assert begun
    times = {"created_at": begun.created_at, "next_at": begun.created_at}
    assert begun == msgspec.structs.replace(new, **times)
    assert _deliveries(records) == [begun]


def test_the_next_try_after_a_retry(records: SqlRecords) -> None:
    """An open delivery that is retried is due immediately, and keeps the result of its last try."""
    endpoint = _added(records)
    _upload(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = _jobs(records)
    tried_once = _answer(records, job, status=500, at=int(time.time() * 1000) + 3_600_000)
    again = records.deliveries.retry(endpoint, tried_once.seq)
    assert again
    assert tried_once.next_at is not None
    assert again.next_at is not None
    assert again.next_at < tried_once.next_at
    assert again == msgspec.structs.replace(tried_once, next_at=again.next_at)


def test_a_retry_without_a_job(records: SqlRecords, database: Database) -> None:
    """An open delivery without a job gets a new job by a retry, and only one."""
    endpoint = _added(records)
    _upload(records, "1")
    records.fan_out.fan_out("demo", "e1")
    with database.transaction() as connection:
        connection.execute("DELETE FROM jobs WHERE tenant = 'demo'")
    (delivery,) = _deliveries(records)
    for _ in range(2):
        assert records.deliveries.retry(endpoint, delivery.seq)
    assert len(_jobs(records)) == 1


def test_a_try_of_a_skipped_delivery(records: SqlRecords) -> None:
    """A try that ends after its delivery was skipped does not open the delivery again."""
    _added(records)
    _upload(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = _jobs(records)
    before = _deliveries(records)[0]
    known = records.endpoints.endpoint("demo", "e1")
    assert known
    records.endpoints.skip_to_now("demo", "e1")
    result = tried(before, Answer(at=1, status=500))
    effects = records.deliveries.tried(known, before, result)
    records.jobs.again(job, 5, "HTTP 500", counts=False, effects=effects)
    assert _deliveries(records)[0].state == "failed"


@pytest.mark.usefixtures("all_tenants")
def test_a_retry_is_due_now(records: SqlRecords) -> None:
    """A retry does not look like a job that has waited for years."""
    endpoint = _added(records)
    _upload(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = _jobs(records)
    records.jobs.again(job, 3600, "HTTP 500")
    records.deliveries.retry(endpoint, _deliveries(records)[0].seq)
    assert records.kept_jobs.state(DELIVERY_LANE).oldest_seconds < 3600


def test_tests(records: SqlRecords) -> None:
    """Test deliveries have numbers below 0 of their own, and each has a job."""
    endpoint = _added(records)
    numbers = [records.deliveries.add_test(endpoint, 7).seq for _ in range(3)]
    assert numbers == [-7000, -7001, -7002]
    assert len(_jobs(records)) == 3
    assert {delivery.kind for delivery in _deliveries(records)} == {"webhook.test"}


def test_a_replay(records: SqlRecords) -> None:
    """A replay delivers the events up to its end again, and then it is over."""
    _added(records)
    _upload(records, "1", "2", "3")
    records.fan_out.fan_out("demo", "e1")
    for job in _jobs(records):
        _answer(records, job, status=200)
    first, second, third = records.events("demo", 0, 10)
    wanted = Replay(id="r", position=first.seq, until=second.seq)
    records.endpoints.change_endpoint(
        "demo", "e1", lambda known: msgspec.structs.replace(known, replay=wanted)
    )
    assert not records.fan_out.replay_step("demo", "e1", "another")
    while records.fan_out.replay_step("demo", "e1", "r"):
        pass
    endpoint = records.endpoints.endpoint("demo", "e1")
    assert endpoint
    assert endpoint.replay is None
    assert [job.subject for job in _jobs(records)] == [f"e1/{second.seq}"]
    assert third.seq == endpoint.position


def test_a_replay_of_failed_deliveries(records: SqlRecords) -> None:
    """A replay of failed deliveries leaves out those that are done or open."""
    _added(records)
    _upload(records, "done", "failed", "open")
    records.fan_out.fan_out("demo", "e1")
    done, failed, _ = sorted(_jobs(records), key=lambda job: job.subject)
    _answer(records, done, status=200)
    _answer(records, failed, status=410)
    wanted = Replay(id="r", position=0, until=1 << 62, failed_only=True)
    records.endpoints.change_endpoint(
        "demo",
        "e1",
        lambda known: msgspec.structs.replace(known, replay=wanted, state="active"),
    )
    while records.fan_out.replay_step("demo", "e1", "r"):
        pass
    assert [job.subject for job in _jobs(records)] == [failed.subject]


def test_all_endpoints(records: SqlRecords) -> None:
    """The endpoints of all tenants are read in pages, without a gap between two pages."""
    for tenant, name in (("demo", "e2"), ("demo", "e1"), ("a-tenant", "e3")):
        _added(records, name, tenant=tenant)
    found, last = [], ("", "")
    while page := records.endpoints.all_endpoints(last, 2):
        found += [one for one in page if one.tenant in ("a-tenant", "demo")]
        last = (page[-1].tenant, page[-1].id)
    assert [(one.tenant, one.id) for one in found] == [
        ("a-tenant", "e3"),
        ("demo", "e1"),
        ("demo", "e2"),
    ]


def test_deletion(records: SqlRecords) -> None:
    """A deleted endpoint takes its deliveries along, and none of another endpoint."""
    _added(records, "e1")
    _added(records, "e2")
    _upload(records, "1")
    for name in ("e1", "e2"):
        records.fan_out.fan_out("demo", name)
    assert records.endpoints.delete_endpoint("demo", "e1")
    assert not records.endpoints.delete_endpoint("demo", "e1")
    assert _deliveries(records, "e1") == []
    assert len(_deliveries(records, "e2")) == 1


@pytest.mark.usefixtures("all_tenants")
def test_forgotten_deliveries(records: SqlRecords) -> None:
    """Deliveries that have ended are forgotten by the time of their creation; open ones stay."""
    _added(records)
    _upload(records, "1", "2")
    records.fan_out.fan_out("demo", "e1")
    ended = _answer(records, _jobs(records)[0], status=200)
    assert records.deliveries.forget_deliveries(ended.created_at) == 0
    assert records.deliveries.forget_deliveries(ended.created_at + 60_000) == 1
    assert [delivery.state for delivery in _deliveries(records)] == ["open"]


def test_too_many_deliveries(records: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an endpoint with too many deliveries, those of the oldest events go; open ones stay."""
    monkeypatch.setattr(deliveries, "_OLD_AT_ONCE", 2)
    own, other = _added(records, "e1"), _added(records, "e2")
    records.deliveries.add_test(own, 1_000)
    _upload(records, *"123456789")
    for name in ("e1", "e2"):
        records.fan_out.fan_out("demo", name)
    for job in _jobs(records):
        if records.event("demo", int(job.subject.rpartition("/")[2])) and not _is_second(
            records, job
        ):
            _answer(records, job, status=200)
    assert records.deliveries.forget_surplus("demo", "e1", 9) == 0
    assert records.deliveries.forget_surplus("demo", "e1", 3) == 5
    assert _keys(records) == ["2", "7", "8", "9"]
    assert [one.kind for one in _deliveries(records) if one.seq < 0] == ["webhook.test"]
    assert len(_deliveries(records, other.id)) == 9


@pytest.mark.usefixtures("all_tenants")
def test_after_a_restore(records: SqlRecords, database: Database) -> None:
    """After a restore no event of the backup is delivered, and later events are."""
    _added(records, "e1")
    _added(records, "e2")
    _upload(records, "1")
    records.fan_out.fan_out("demo", "e1")
    with database.transaction() as connection:
        for statement, parameters in restored_rows.corrections("", deliver_again=False):
            connection.execute(statement, parameters)
    assert _jobs(records) == []
    assert records.fan_out.behind(("", ""), 10) == []
    (ended,) = _deliveries(records)
    assert (ended.state, ended.next_at) == ("failed", None)
    assert ended.error.startswith("A backup was restored.")
    _upload(records, "2")
    assert records.fan_out.behind(("", ""), 10) == [("demo", "e1"), ("demo", "e2")]
    records.fan_out.fan_out("demo", "e2")
    assert _keys(records, "e2") == ["2"]
