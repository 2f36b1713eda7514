"""Notifications of new events: one for each commit, sent when the events can be read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec
import pytest

from servicekit.database import Database, open_database
from tests.servers.upload import new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Move, Write
from wharf_upload.domain.files import File, FileAddress
from wharf_upload.domain.refusals import NoSuchFile, QuotaExceeded
from wharf_upload.domain.tenant_limits import Limits

_NOW = time.time_ns() // 1_000_000


class Waiting:
    """A waiter that reads a tenant's events when it is notified, over its own connections."""

    def __init__(self, url: str) -> None:
        self._database = open_database(url, durable=False)
        self._records = SqlRecords(self._database)
        self._lock = threading.Lock()
        self.told: list[str] = []
        self.read: dict[str, list[str]] = {}

    def has_events(self, tenant: str) -> None:
        with self._lock:
            self.told.append(tenant)
            self.read[tenant] = self.kinds(tenant)

    def kinds(self, tenant: str) -> list[str]:
        return [event.kind for event in self._records.events(tenant, 0, 1000)]

    def close(self) -> None:
        self._database.close()


@pytest.fixture
def waiting(database_url: str, database: Database) -> Waiting:
    return Waiting(database_url)


@pytest.fixture
def records(database: Database, waiting: Waiting) -> SqlRecords:
    return SqlRecords(database, has_events=waiting.has_events)


def _at(file: File, key: str) -> File:
    return msgspec.structs.replace(file, key=key)


@pytest.mark.usefixtures("all_tenants")
def test_every_kind_of_event_is_told(records: SqlRecords, waiting: Waiting) -> None:
    """Each commit with an event notifies once. When the notice arrives, the event can be read."""
    records.put_limits("demo", Limits(max_bytes=10))
    first, second = new_file("a"), new_file("a")
    due = new_file("b", created_at=_NOW, expires_at=_NOW + 1)
    steps: tuple[Callable[[], object], ...] = (
        lambda: records.write(Write(files=(first,))),
        lambda: records.write(Write(files=(second,))),
        lambda: records.change(second, lambda f: msgspec.structs.replace(f, filename="c"), None),
        lambda: records.move(
            Move(
                tenant="demo",
                source=FileAddress("default", "a"),
                target=FileAddress("default", "d"),
            ),
            _at,
        ),
        lambda: records.delete("demo", "default", "d", None),
        lambda: records.write(Write(files=(due,))),
        lambda: records.expire(_NOW + 2, 10),
        lambda: records.write(Write(files=(new_file("e", size=10),))),
    )
    for number, step in enumerate(steps, 1):
        step()
        assert waiting.told == ["demo"] * number
    assert waiting.read["demo"] == [
        *("file.created", "file.replaced", "file.changed", "file.moved", "file.deleted"),
        *("file.created", "file.expired", "file.created", "quota.warning"),
    ]
    waiting.close()


def test_nothing_new_is_not_told(records: SqlRecords, waiting: Waiting) -> None:
    """A refused change and a change without an event notify no waiter."""
    records.put_limits("demo", Limits(max_bytes=10))
    with pytest.raises(QuotaExceeded):
        records.write(Write(files=(new_file("a", size=11),)))
    with pytest.raises(NoSuchFile):
        records.delete("demo", "default", "a", None)
    records.expire(_NOW, 10)
    assert waiting.told == []
    waiting.close()


def test_a_crowd_of_writers_tells_all(
    records: SqlRecords, waiting: Waiting, database: Database
) -> None:
    """When several writers share transactions for three tenants, the last notification of each
    tenant comes after its last event.
    """

    def write(number: int) -> None:
        for count in range(10):
            tenant = f"tenant-{count % 3}"
            records.write(Write(files=(new_file(f"{number}-{count}", tenant=tenant),)))
        database.close()
        waiting.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for tenant in ("tenant-0", "tenant-1", "tenant-2"):
        assert waiting.read[tenant] == waiting.kinds(tenant)
    assert sum(map(len, waiting.read.values())) == 60
    waiting.close()
