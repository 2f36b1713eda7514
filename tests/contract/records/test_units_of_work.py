"""Writes at the end of a unit of work: charges, pending deletions, events and warnings."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from servicekit.database import Database
from tests.servers.upload import new_file
from wharf_upload.database.row_counts import KeyCounts
from wharf_upload.database.sql import SqlRecords
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.domain.clock import now_microseconds, now_milliseconds
from wharf_upload.domain.files import FileAddress
from wharf_upload.domain.quotas import Quota, Usage
from wharf_upload.domain.row_limits import RowLimits


@pytest.fixture
def unit(database: Database) -> UnitOfWork:
    """Return a unit of work of a tenant that may store 100 bytes and is warned at 80."""
    quota = Quota(max_bytes=100, warning_percent=80)
    return UnitOfWork(quota, KeyCounts(RowLimits()), database.dialect)


def close(unit: UnitOfWork, database: Database) -> None:
    """Close the unit of work, as at the end of a transaction."""
    with database.transaction() as connection:
        unit.close(connection)


def noted(database: Database) -> list[tuple[Any, ...]]:
    """Return kind, time, data and number of the events. The number is the
    microsecond of the event.
    """
    rows = database.reading().rows(
        "SELECT kind, at, data, seq FROM events WHERE tenant = 'demo' ORDER BY seq"
    )
    return [(kind, at, msgspec.json.decode(data), seq) for kind, at, data, seq in rows]


def test_charges_of_several_tenants(
    unit: UnitOfWork, database: Database, records: SqlRecords
) -> None:
    """Each tenant is charged the sum of its changes, and a tenant whose sum is zero gets no row."""
    unit.add(new_file("a", size=5), 1)
    unit.add(new_file("b", size=5), -1)
    unit.add(new_file("c", tenant="other", size=7), 1)
    unit.add(new_file("d", tenant="third", size=4), 1)
    unit.add(new_file("e", tenant="third", size=3), -1)
    unit.add(new_file("f", tenant="fourth", size=0), 1)
    close(unit, database)
    assert records.usage("other") == Usage(7, 1)
    assert records.usage("third") == Usage(1, 0)
    assert records.usage("fourth") == Usage(0, 1)
    assert database.reading().rows("SELECT * FROM usage WHERE tenant = 'demo'") == []


def test_blobs_that_are_no_longer_needed(
    unit: UnitOfWork, database: Database, records: SqlRecords
) -> None:
    """A file that is deleted is not charged, and its blob is a pending deletion
    with tenant and time.
    """
    kept, gone = new_file("a", size=9), new_file("b", size=4)
    unit.add(kept, 1)
    unit.add(gone, 1)
    unit.mark_pending_deletion(gone, 123)
    close(unit, database)
    assert records.usage("demo") == Usage(9, 1)
    assert database.reading().rows("SELECT blob, tenant, doomed_at FROM doomed") == [
        (gone.blob, "demo", 123)
    ]


def test_what_happened_to_files(unit: UnitOfWork, database: Database) -> None:
    """An event has the kind, the time and the file, and the event of a move also
    has the old address.
    """
    file, source = new_file("a"), FileAddress("photos", "old/a")
    before = now_microseconds()
    unit.event("file.created", file, 100)
    unit.moved(file, source, 200)
    unit.moved(file, source, 300, kind="file.replaced")
    after = now_microseconds()
    close(unit, database)
    kinds = ["file.created", "file.moved", "file.replaced"]
    assert unit.file_events == [(kind, file) for kind in kinds]
    found = noted(database)
    assert [(kind, at) for kind, at, *_ in found] == list(zip(kinds, (100, 200, 300), strict=True))
    assert found[0][2] == msgspec.to_builtins(file)
    every = msgspec.to_builtins(msgspec.structs.asdict(file))
    moved = every | {"moved_from": msgspec.to_builtins(source)}
    assert [one[2] for one in found[1:]] == [moved, moved]
    # The later of two events in one microsecond has the next number.
    assert all(before <= one[3] <= after + 3 for one in found)


@pytest.mark.parametrize(("size", "warns"), [(79, False), (80, True)])
def test_warnings(unit: UnitOfWork, database: Database, size: int, *, warns: bool) -> None:
    """Crossing the threshold of a quota writes an event with the current time and the numbers."""
    with database.transaction() as connection:
        known = unit.allowance(connection, "demo")
        assert unit.allowance(connection, "demo") is known
        unit.add(new_file("a", size=size), 1)
        before = now_microseconds()
        unit.close(connection)
    found = noted(database)
    assert [one[0] for one in found] == ["quota.warning"] * warns
    for _, at, data, number in found:
        assert before // 1000 <= at <= now_milliseconds()
        assert before <= number <= now_microseconds()
        assert (data["crossed"], data["used_bytes"], data["percent"]) == (["bytes"], 80, 80)


def test_who_gives_back_is_not_warned(unit: UnitOfWork, database: Database) -> None:
    """A change that has not read the allowance, for example a deletion, writes no warning."""
    unit.add(new_file("a", size=90), 1)
    close(unit, database)
    assert noted(database) == []
