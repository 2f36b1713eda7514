"""The rows of webhooks' endpoints."""

from __future__ import annotations

import msgspec
import pytest

from tests.servers.endpoint_rows import (
    added,
    delivered_keys,
    deliveries_of,
    new_endpoint,
    set_state,
    taken_jobs,
    write_files,
)
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.refusals import LimitReached
from wharf_upload.domain.webhooks import EventFilter, Replay, Secret


def test_an_endpoint(records: SqlRecords) -> None:
    """An endpoint is read back as it was stored, but with the position of the newest event."""
    write_files(records, "before")
    wanted = new_endpoint(
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
    added(records, "e1")
    with pytest.raises(LimitReached):
        records.endpoints.add_endpoint(new_endpoint("e2"), 1)
    records.endpoints.add_endpoint(new_endpoint("e2", tenant="other"), 1)


def test_from_now(records: SqlRecords) -> None:
    """An endpoint that skips to now receives only later events, and open deliveries end."""
    added(records)
    write_files(records, "open")
    records.fan_out.fan_out("demo", "e1")
    write_files(records, "skipped")
    records.endpoints.skip_to_now("demo", "e1")
    (delivery,) = deliveries_of(records)
    assert delivery.state == "failed"
    write_files(records, "heard")
    records.fan_out.fan_out("demo", "e1")
    assert delivered_keys(records) == ["open", "heard"]


def test_an_endpoint_becomes_active(records: SqlRecords) -> None:
    """Deliveries that wait for a later time run immediately when their endpoint becomes active."""
    added(records)
    write_files(records, "1")
    records.fan_out.fan_out("demo", "e1")
    (job,) = taken_jobs(records)
    records.jobs.again(job, 3600, "The endpoint is paused.", counts=False)
    for state in ("paused", "active"):
        assert taken_jobs(records) == []
        set_state(records, state)
    assert len(taken_jobs(records)) == 1


def test_all_endpoints(records: SqlRecords) -> None:
    """The endpoints of all tenants are read in pages, without a gap between two pages."""
    for tenant, name in (("demo", "e2"), ("demo", "e1"), ("a-tenant", "e3")):
        added(records, name, tenant=tenant)
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
    added(records, "e1")
    added(records, "e2")
    write_files(records, "1")
    for name in ("e1", "e2"):
        records.fan_out.fan_out("demo", name)
    assert records.endpoints.delete_endpoint("demo", "e1")
    assert not records.endpoints.delete_endpoint("demo", "e1")
    assert deliveries_of(records, "e1") == []
    assert len(deliveries_of(records, "e2")) == 1
