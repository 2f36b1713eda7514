"""The effects of answers on the health of an endpoint."""

from __future__ import annotations

import msgspec

from tests.servers.endpoint_rows import added, answer, deliveries_of, taken_jobs, write_files
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.jobs import Job
from wharf_upload.domain.webhooks import DISABLED_AFTER_SECONDS, PROBING_FAILURES, Answer, tried


def test_health(records: SqlRecords) -> None:
    """Failures in a row make an endpoint probe with one delivery; a success ends that."""
    added(records)
    write_files(records, *map(str, range(PROBING_FAILURES + 1)))
    records.fan_out.fan_out("demo", "e1")
    *failing, last = taken_jobs(records)
    assert records.fan_out.windows(["demo/e1"]) == {}
    for job in failing:
        answer(records, job, status=500)
    assert records.fan_out.windows(["demo/e1"]) == {"demo/e1": 1}
    answer(records, last, status=200)
    assert records.fan_out.windows(["demo/e1"]) == {}
    endpoint = records.endpoints.endpoint("demo", "e1")
    assert endpoint
    assert (endpoint.failures, endpoint.failing_since) == (0, None)


def test_a_busy_receiver(records: SqlRecords) -> None:
    """A receiver that is busy gets half as many deliveries at the same time, but never none."""
    added(records)
    write_files(records, "1", "2", "3", "4")
    records.fan_out.fan_out("demo", "e1")
    windows = []
    for job in taken_jobs(records):
        answer(records, job, status=429)
        windows.append(records.fan_out.windows(["demo/e1"])["demo/e1"])
    assert windows == [2, 1, 1, 1]


def test_gone(records: SqlRecords) -> None:
    """A receiver that answers 410 disables its endpoint, with an event; the delivery has failed."""
    added(records)
    write_files(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = taken_jobs(records)
    assert answer(records, job, status=410).state == "failed"
    endpoint = records.endpoints.endpoint("demo", "e1")
    assert endpoint
    assert (endpoint.state, endpoint.reason) == ("disabled", "The receiver answered 410 Gone.")
    event = records.events("demo", 0, 10)[-1]
    assert event.kind == "webhook.disabled"
    assert event.endpoint
    assert (event.endpoint.endpoint, event.endpoint.reason) == ("e1", endpoint.reason)


def test_failures_of_many_days(records: SqlRecords) -> None:
    """An endpoint is disabled once when it has only failed for five days, and not before."""
    added(records)
    write_files(records, "1", "2", "3", "4")
    records.fan_out.fan_out("demo", "e1")
    first, second, third, fourth = taken_jobs(records)
    end = 1_000 + DISABLED_AFTER_SECONDS * 1000

    def state(job: Job, at: int) -> str:
        answer(records, job, status=500, at=at)
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
    added(records)
    write_files(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = taken_jobs(records)
    old = records.endpoints.endpoint("demo", "e1")
    delivery = records.deliveries.delivery("demo", "e1", deliveries_of(records)[0].seq)
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
