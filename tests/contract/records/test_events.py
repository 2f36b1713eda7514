"""The events of a tenant: in order and complete, with any concurrent writers."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import msgspec
import pytest

from servicekit.database import Database
from tests.servers.upload import new_file
from wharf_upload.database import unit_of_work
from wharf_upload.database.contract import Records
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.events import Event
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.tenant_limits import Limits


def read(records: Records, tenant: str = "demo", page: int = 2) -> list[Event]:
    """Return all events of a tenant, read page by page."""
    found: list[Event] = []
    while events := records.events(tenant, found[-1].seq if found else 0, page):
        found += events
    return found


def test_events_tell_what_happened_to_a_file(records: Records) -> None:
    """Storing, replacing, changing and deleting a file each write an event, in
    order, with the file.
    """
    first, second = new_file("a", size=1), new_file("a", size=2)
    records.write(Write(files=(first,)))
    records.write(Write(files=(second,)))
    renamed = records.change(second, lambda file: msgspec.structs.replace(file, filename="b"), None)
    records.delete("demo", "default", "a", None)
    told = [(event.kind, event.file) for event in read(records)]
    assert told == [
        ("file.created", first),
        ("file.replaced", second),
        ("file.changed", renamed),
        ("file.deleted", renamed),
    ]


def test_the_newest_first(records: Records) -> None:
    """The pages before a number have the same events as the pages after it, in reverse order."""
    for number in range(5):
        records.write(Write(files=(new_file(str(number)),)))
        records.write(Write(files=(new_file("o", tenant="other"),)))
    found: list[Event] = []
    while page := records.events_before("demo", found[-1].seq if found else 1 << 62, 2):
        assert len(page) <= 2
        found += page
    assert found == read(records)[::-1]
    assert len(found) == 5


def test_events_are_the_tenants_own(records: Records) -> None:
    """A tenant does not read the events of another tenant."""
    records.write(Write(files=(new_file("a", tenant="other"),)))
    assert read(records) == []
    assert [event.kind for event in read(records, "other")] == ["file.created"]


def test_a_warning_has_its_numbers(records: Records) -> None:
    """A `quota.warning` names no file. It has the used and the allowed amounts."""
    records.put_limits("demo", Limits(max_bytes=10))
    records.write(Write(files=(new_file("a", size=10),)))
    kinds = {event.kind: event for event in read(records)}
    warning = kinds["quota.warning"]
    assert warning.file is None
    assert warning.warning is not None
    assert (warning.warning.used_bytes, warning.warning.limit_bytes) == (10, 10)


@pytest.fixture
def writers(database: Database) -> Iterator[list[threading.Thread]]:
    """Yield threads that write for two tenants at the same time, each with its own group commit."""

    def write(number: int) -> None:
        own = SqlRecords(database)
        for count in range(15):
            tenant = ("demo", "other")[count % 2]
            own.write(Write(files=(new_file(f"{number}-{count}", tenant=tenant),)))
        database.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    yield threads
    for thread in threads:
        thread.join(120)


def test_a_reader_who_follows_misses_nothing(
    records: Records, database: Database, writers: list[threading.Thread]
) -> None:
    """A reader that follows the numbers during writes gets every event once, in order."""
    seen: list[Event] = []

    def follow() -> None:
        while events := records.events("demo", seen[-1].seq if seen else 0, 3):
            seen.extend(events)

    while any(thread.is_alive() for thread in writers):
        follow()
    follow()
    rows = database.reading().rows("SELECT seq FROM events WHERE tenant = 'demo' ORDER BY seq")
    assert [event.seq for event in seen] == [row[0] for row in rows]
    assert len(seen) == 6 * 8


@pytest.mark.usefixtures("all_tenants")
def test_old_events_are_forgotten(records: Records) -> None:
    """`forget_events` removes all tenants' events before a time, but never
    a tenant's newest event.
    """
    for number in range(5):
        records.write(Write(files=(new_file(f"{number}", created_at=1000 + number),)))
    records.write(Write(files=(new_file("a", tenant="other", created_at=1),)))
    for at in (1, 2):
        # A digit sorts before all other names.
        records.write(Write(files=(new_file("a", tenant="1st", created_at=at),)))
    assert records.forget_events(1003) == 4
    assert len(read(records, "1st")) == 1
    assert [event.at for event in read(records)] == [1003, 1004]
    last = read(records)[-1].seq
    assert records.forget_events(1 << 60) == 1
    assert [event.seq for event in read(records)] == [last]
    assert len(read(records, "other")) == 1
    assert records.forget_events(1 << 60) == 0


@pytest.mark.usefixtures("all_tenants")
def test_who_has_read_everything_misses_nothing_afterwards(records: Records) -> None:
    """After old events were forgotten, the next event still gets a larger number than all earlier
    events.
    """
    records.write(Write(files=(new_file("a"),)))
    records.write(Write(files=(new_file("b"),)))
    cursor = read(records)[-1].seq
    records.forget_events(1 << 60)
    records.write(Write(files=(new_file("c"),)))
    (event,) = records.events("demo", cursor, 10)
    assert event.file is not None
    assert event.file.key == "c"


def numbers(records: Records, tenant: str = "demo") -> list[int]:
    """Return the numbers of a tenant's events."""
    return [event.seq for event in read(records, tenant)]


def test_numbers_follow_the_clock(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of an event is its time in microseconds and does not depend on
    events of other tenants.
    """
    for now, tenant in enumerate(("demo", "other", "other", "other", "demo"), 7_000_000):
        monkeypatch.setattr(unit_of_work, "now_microseconds", lambda now=now: now)
        records.write(Write(files=(new_file(str(now), tenant=tenant),)))
    assert numbers(records) == [7_000_000, 7_000_004]
    assert numbers(records, "other") == [7_000_001, 7_000_002, 7_000_003]


def test_numbers_never_go_back(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the clock is behind, a tenant's numbers continue one by one, and no
    number is used twice.
    """
    moments = iter((9_000_000, 9_000_500, 5_000_000, 5_000_000, 9_000_000, 9_000_600))
    monkeypatch.setattr(unit_of_work, "now_microseconds", lambda: next(moments))
    for count, tenant in enumerate(("demo", "other", "demo", "other", "demo", "demo")):
        records.write(Write(files=(new_file(str(count), tenant=tenant),)))
    assert numbers(records) == [9_000_000, 9_000_001, 9_000_002, 9_000_600]
    assert numbers(records, "other") == [9_000_500, 9_000_501]


@pytest.mark.usefixtures("all_tenants")
def test_two_tenants_in_one_microsecond(
    records: Records, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events of two tenants in one microsecond are all stored, in the order of each tenant."""
    monkeypatch.setattr(unit_of_work, "now_microseconds", lambda: 9_000_000)
    for count in range(3):
        for tenant in ("demo", "other"):
            records.write(Write(files=(new_file(str(count), tenant=tenant),)))
    for tenant in ("demo", "other"):
        keys = [event.file.key for event in read(records, tenant) if event.file]
        assert keys == ["0", "1", "2"]
    assert database.reading().rows("SELECT count(*) FROM events") == [(6,)]


def test_a_release_before_beside_this_one(records: Records, database: Database) -> None:
    """Events that an older release writes without a number are read after all events that exist at
    this time, and before all later events.
    """
    insert = "INSERT INTO events (tenant, kind, at, data) VALUES (?, 'file.older', ?, '{}')"
    for number in range(3):
        records.write(Write(files=(new_file(str(number)),)))
        with database.transaction() as connection:
            connection.execute_many(insert, [("demo", 1), ("demo", 2)])
    assert [event.kind for event in read(records)] == [
        "file.created",
        "file.older",
        "file.older",
    ] * 3
    assert numbers(records) == sorted(set(numbers(records)))


def test_a_release_after_beside_this_one(records: Records, database: Database) -> None:
    """An event of an unknown kind is read without its data, which only a newer
    release understands.
    """
    insert = "INSERT INTO events (tenant, kind, at, data) VALUES ('demo', ?, 7, ?)"
    data = '{"moved_from": 5, "crossed": 6, "percent": "many", "key": 8}'
    with database.transaction() as connection:
        for kind in ("file.later", "later"):
            connection.execute(insert, (kind, data))
    told = [(event.kind, event.at, event.file, event.warning) for event in read(records)]
    assert told == [("file.later", 7, None, None), ("later", 7, None, None)]
    assert [event.moved_from for event in read(records)] == [None, None]


def test_a_new_database_has_no_numbers_of_before(records: Records) -> None:
    """If a database had no events before the migration, it stores no time at which the numbering
    of events changed.
    """
    assert records.event_numbers_changed_at() is None
