"""The fan-out: the deliveries that the worker makes of events, for endpoints and replays."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from servicekit.database import Database
from tests.servers.endpoint_rows import (
    added,
    answer,
    delivered_keys,
    deliveries_of,
    set_state,
    taken_jobs,
    write_files,
)
from wharf_upload.database import next_deliveries, restored_rows
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.webhooks import Endpoint, EventFilter, Replay


@pytest.mark.usefixtures("all_tenants")
def test_events_after_the_beginning(records: SqlRecords) -> None:
    """An endpoint receives the events after its creation, each once and in order."""
    write_files(records, "before")
    added(records)
    write_files(records, "1", "2")
    assert records.fan_out.behind(("", ""), 10) == [("demo", "e1")]
    assert records.fan_out.fan_out("demo", "e1")
    write_files(records, "3")
    assert records.fan_out.fan_out("demo", "e1")
    assert not records.fan_out.fan_out("demo", "e1")
    assert delivered_keys(records) == ["1", "2", "3"]
    assert records.fan_out.behind(("", ""), 10) == []
    subjects = {job.subject for job in taken_jobs(records)}
    assert subjects == {f"e1/{delivery.seq}" for delivery in deliveries_of(records)}


def test_a_tenant_without_events(records: SqlRecords) -> None:
    """An endpoint of a tenant without events receives the tenant's first event."""
    added(records)
    write_files(records, "first")
    records.fan_out.fan_out("demo", "e1")
    assert delivered_keys(records) == ["first"]


@pytest.mark.usefixtures("all_tenants")
def test_filters(records: SqlRecords) -> None:
    """An endpoint receives only events of its kinds, in its bucket and below its prefix."""
    added(records, filter=EventFilter(kinds=("file.created",), bucket="default", prefix="a/"))
    write_files(records, "a/1", "b/1", "a/2")
    records.delete("demo", "default", "a/1", None)
    records.fan_out.fan_out("demo", "e1")
    assert delivered_keys(records) == ["a/1", "a/2"]
    assert records.fan_out.behind(("", ""), 10) == []


def test_open_deliveries_are_bounded(records: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint has a bounded number of open deliveries, and continues when some have ended."""
    monkeypatch.setattr(Endpoint, "room", 2)
    added(records)
    write_files(records, *"12345")
    assert records.fan_out.fan_out("demo", "e1")
    assert not records.fan_out.fan_out("demo", "e1")
    jobs = taken_jobs(records)
    assert len(jobs) == 2
    answer(records, jobs[0], status=200)
    assert records.fan_out.fan_out("demo", "e1")
    assert delivered_keys(records) == ["1", "2", "3"]


def test_many_events_that_do_not_pass(records: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that do not pass the filter move the position, a bounded number in each commit."""
    monkeypatch.setattr(next_deliveries, "_LOOKED_AT", 2)
    added(records, filter=EventFilter(prefix="wanted"))
    write_files(records, "1", "2", "3", "wanted")
    assert records.fan_out.fan_out("demo", "e1")
    assert delivered_keys(records) == []
    assert records.fan_out.fan_out("demo", "e1")
    assert delivered_keys(records) == ["wanted"]


@pytest.mark.usefixtures("all_tenants")
@pytest.mark.parametrize("state", ["paused", "disabled"])
def test_an_endpoint_that_is_not_active(records: SqlRecords, state: Any) -> None:
    """An endpoint that is not active makes no deliveries, and continues where it stopped."""
    added(records)
    set_state(records, state)
    write_files(records, "1")
    assert records.fan_out.behind(("", ""), 10) == []
    assert not records.fan_out.fan_out("demo", "e1")
    set_state(records, "active")
    records.fan_out.fan_out("demo", "e1")
    assert delivered_keys(records) == ["1"]


def test_an_ordered_endpoint(records: SqlRecords) -> None:
    """An ordered endpoint has one open delivery; its end makes the next one in the same commit."""
    added(records, ordered=True)
    write_files(records, "1", "2")
    records.fan_out.fan_out("demo", "e1")
    (job,) = taken_jobs(records)
    assert delivered_keys(records) == ["1"]
    answer(records, job, status=204)
    assert delivered_keys(records) == ["1", "2"]
    assert len(taken_jobs(records)) == 1


def test_an_ordered_endpoint_that_fails(records: SqlRecords) -> None:
    """An ordered endpoint makes no next delivery before the last try of the open one."""
    added(records, ordered=True)
    write_files(records, "1", "2")
    records.fan_out.fan_out("demo", "e1")
    (job,) = taken_jobs(records)
    answer(records, job, status=500)
    assert not records.fan_out.fan_out("demo", "e1")
    assert delivered_keys(records) == ["1"]


@pytest.mark.usefixtures("all_tenants")
def test_a_gap(records: SqlRecords, database: Database) -> None:
    """An endpoint knows that events were deleted before it received them."""
    added(records)
    write_files(records, "1", "2")
    assert records.forget_events(1 << 60) >= 1
    records.fan_out.fan_out("demo", "e1")
    endpoint = records.endpoints.endpoint("demo", "e1")
    assert endpoint
    assert endpoint.gap_at is not None
    assert delivered_keys(records) == ["2"]


def test_a_replay(records: SqlRecords) -> None:
    """A replay delivers the events up to its end again, and then it is over."""
    added(records)
    write_files(records, "1", "2", "3")
    records.fan_out.fan_out("demo", "e1")
    for job in taken_jobs(records):
        answer(records, job, status=200)
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
    assert [job.subject for job in taken_jobs(records)] == [f"e1/{second.seq}"]
    assert third.seq == endpoint.position


def test_a_replay_of_failed_deliveries(records: SqlRecords) -> None:
    """A replay of failed deliveries leaves out those that are done or open."""
    added(records)
    write_files(records, "done", "failed", "open")
    records.fan_out.fan_out("demo", "e1")
    done, failed, _ = sorted(taken_jobs(records), key=lambda job: job.subject)
    answer(records, done, status=200)
    answer(records, failed, status=410)
    wanted = Replay(id="r", position=0, until=1 << 62, failed_only=True)
    records.endpoints.change_endpoint(
        "demo",
        "e1",
        lambda known: msgspec.structs.replace(known, replay=wanted, state="active"),
    )
    while records.fan_out.replay_step("demo", "e1", "r"):
        pass
    assert [job.subject for job in taken_jobs(records)] == [failed.subject]


def test_a_replay_of_what_is_still_to_come(records: SqlRecords) -> None:
    """A replay leaves out the events that the endpoint will hear anyway."""
    added(records)
    write_files(records, "1")
    wanted = Replay(id="r", position=0, until=1 << 62)
    begun = records.endpoints.begin_replay("demo", "e1", wanted)
    assert begun
    assert begun.replay
    while records.fan_out.replay_step("demo", "e1", "r"):
        pass
    assert deliveries_of(records) == []
    records.fan_out.fan_out("demo", "e1")
    assert len(taken_jobs(records)) == 1


@pytest.mark.usefixtures("all_tenants")
def test_after_a_restore(records: SqlRecords, database: Database) -> None:
    """After a restore no event of the backup is delivered, and later events are."""
    added(records, "e1")
    added(records, "e2")
    write_files(records, "1")
    records.fan_out.fan_out("demo", "e1")
    with database.transaction() as connection:
        for statement, parameters in restored_rows.corrections("", deliver_again=False):
            connection.execute(statement, parameters)
    assert taken_jobs(records) == []
    assert records.fan_out.behind(("", ""), 10) == []
    (ended,) = deliveries_of(records)
    assert (ended.state, ended.next_at) == ("failed", None)
    assert ended.error.startswith("A backup was restored.")
    write_files(records, "2")
    assert records.fan_out.behind(("", ""), 10) == [("demo", "e1"), ("demo", "e2")]
    records.fan_out.fan_out("demo", "e2")
    assert delivered_keys(records, "e2") == ["2"]
