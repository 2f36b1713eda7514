"""Limits for each kind of rows of a tenant that the quota of bytes and files does not count."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from servicekit.database import Database
from tests.servers.unfinished import end_of, new_upload
from tests.servers.upload import faults_in_counts, new_file
from wharf_upload.database.row_counts import KeyCounts
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.domain.file_writes import Idempotency, Move, UploadEnd, Write
from wharf_upload.domain.files import FileAddress
from wharf_upload.domain.quotas import Quota
from wharf_upload.domain.refusals import (
    LimitReached,
    TooManyIdempotencyKeys,
)
from wharf_upload.domain.row_limits import RowLimits

T = TypeVar("T")
KEYS = 40


def limited(database: Database, **limits: int) -> SqlRecords:
    """Return records with these limits, as another process has them."""
    return SqlRecords(database, quota=Quota(rows=RowLimits(**limits)))


def make(
    records: SqlRecords,
    name: str,
    tenant: str = "demo",
    policy: Policy = Policy(),  # noqa: B008 -- frozen
) -> bool:
    bucket = Bucket(tenant=tenant, name=name, policy=policy, created_at=1)
    return records.put_bucket(bucket)


def store(records: SqlRecords, key: str, tenant: str = "demo") -> bool:
    """Store a file with an idempotency key and return whether the result was replayed."""
    named = Idempotency(subject="client-1", key=key, fingerprint="0")
    file = new_file("a", tenant=tenant, created_at=now_milliseconds())
    return records.write(Write(files=(file,), idempotency=named)).replayed


def count(database: Database, table: str) -> int:
    row = database.reading().row(f"SELECT count(*) FROM {table} WHERE tenant = 'demo'")
    return int(row[0]) if row else 0


def test_buckets(database: Database) -> None:
    """A bucket above the limit is refused, and `default` does not count.

    At the limit, policies can still change.
    """
    records = limited(database, buckets=2)
    make(records, "a")
    make(records, "default", policy=Policy(public=True))
    make(records, "b")
    with pytest.raises(LimitReached) as caught:
        make(records, "c")
    assert (caught.value.what, caught.value.limit_count) == ("buckets", 2)
    assert records.bucket("demo", "c") is None
    assert not make(records, "b", policy=Policy(public=True))
    make(records, "c", "other")
    records.delete_bucket("demo", "a")
    assert make(records, "c")


def at_once(database: Database, calls: list[Callable[[], object]]) -> list[bool]:
    """Run all calls at the same time and return a sorted list that tells
    whether each was accepted.
    """
    outcomes: list[bool] = []

    def run(call: Callable[[], object]) -> None:
        try:
            call()
            outcomes.append(True)
        except LimitReached:
            outcomes.append(False)
        finally:
            database.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(outcomes)


def test_the_last_places_are_given_once(database: Database) -> None:
    """If six buckets, or six uploads, are created at the same time and two more are
    allowed, exactly two succeed.
    """
    # These records act for two processes that share only the database.
    both = [limited(database, buckets=2, open_uploads=2) for _ in range(2)]
    names = [f"bucket-{number}" for number in range(6)]
    made = at_once(
        database,
        [
            lambda name=name, records=both[number % 2]: make(records, name)  # type: ignore[misc]
            for number, name in enumerate(names)
        ],
    )
    assert made == [False] * 4 + [True] * 2
    begun = at_once(
        database,
        [
            lambda records=both[number % 2]: records.uploads.create(new_upload())  # type: ignore[misc]
            for number in range(6)
        ],
    )
    assert begun == [False] * 4 + [True] * 2


def test_open_uploads(database: Database) -> None:
    """An upload that ends, as a file or without one, makes a place for another upload."""
    records = limited(database, open_uploads=2)
    first, second = new_upload(), new_upload()
    records.uploads.create(first)
    records.uploads.create(second)
    with pytest.raises(LimitReached) as caught:
        records.uploads.create(new_upload())
    assert (caught.value.what, caught.value.limit_count) == ("open uploads", 2)
    records.uploads.create(new_upload(tenant="other"))
    records.write(Write(files=(new_file("a.bin", size=10),), upload=end_of(first)))
    records.uploads.create(new_upload())
    records.uploads.remove(second)
    records.uploads.create(new_upload())
    with pytest.raises(LimitReached):
        records.uploads.create(new_upload())


def test_idempotency_keys(database: Database) -> None:
    """If all keys are in use, a request with a new key is refused and stores nothing.

    A request with a known key is replayed.
    """
    records = limited(database, idempotency_keys=3, idempotency_seconds=3600)
    for key in ("1", "2", "3"):
        store(records, key)
    with pytest.raises(TooManyIdempotencyKeys) as caught:
        store(records, "4")
    assert caught.value.limit_count == 3
    # The keys of other tenants are older.
    assert 3000 < caught.value.seconds <= 3600
    assert store(records, "1")
    records.write(Write(files=(new_file("without"),)))
    move = Move(
        tenant="demo",
        source=FileAddress("default", "without"),
        target=FileAddress("default", "moved"),
        idempotency=Idempotency(subject="client-1", key="5", fingerprint="0"),
    )
    with pytest.raises(TooManyIdempotencyKeys):
        records.move(move, lambda file, _: file)
    assert records.file("demo", "default", "without") is not None
    store(records, "1", "other")
    assert count(database, "idempotency") == 3


def test_processes_share_the_keys(database: Database) -> None:
    """Together, sixteen processes that do not know of each other stay within the limit of keys."""
    everybody = [limited(database, idempotency_keys=KEYS) for _ in range(16)]
    for number in range(3 * KEYS):
        try:
            store(everybody[number % 16], f"key-{number}")
        except TooManyIdempotencyKeys:
            continue
    assert count(database, "idempotency") == KEYS


@pytest.mark.usefixtures("all_tenants")
def test_ended_keys_make_room(database: Database, records: SqlRecords) -> None:
    """When keys have ended, new keys are accepted at most one second after the last refusal."""
    now = [100.0]
    counts = KeyCounts(RowLimits(idempotency_keys=2), lambda: now[0])
    for key in ("1", "2"):
        store(records, key)
    with database.transaction() as connection, pytest.raises(TooManyIdempotencyKeys):
        counts.require(connection, "demo")
    assert records.forget_idempotency(now_milliseconds() + 1) == 2
    with database.transaction() as connection:
        with pytest.raises(TooManyIdempotencyKeys):
            counts.require(connection, "demo")
        now[0] += 1
        counts.require(connection, "demo")


def settled(read: Callable[[], list[T]], most: int) -> list[T]:
    """Wait until a thread has dropped all but at most `most` rows, and
    return the remaining rows.
    """
    until = time.monotonic() + 10
    while len(found := read()) > most:
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


def test_the_oldest_ended_uploads_go(database: Database) -> None:
    """The newest ended uploads are remembered, up to the limit. All uploads under way stay."""
    records = limited(database, idempotency_keys=10)
    under_way = new_upload()
    records.uploads.create(under_way)
    ended = [new_upload(reserved_bytes=0) for _ in range(14)]
    for number, upload in enumerate(ended):
        records.uploads.create(upload)
        end = UploadEnd(id=upload.id, parts=(), expires_at=1_000 + number)
        records.write(Write(files=(new_file("a.bin", size=10),), upload=end))

    def remembered() -> list[str]:
        return [one.id for one in ended if records.uploads.get("demo", one.id) is not None]

    assert settled(remembered, 10) == [one.id for one in ended[-10:]]
    assert records.uploads.get("demo", under_way.id) is not None
    assert faults_in_counts(database) == []


def test_the_oldest_events_go(database: Database) -> None:
    """The newest events stay: as many as the limit, and at most one hundredth more."""
    records = limited(database, events=100)
    records.write(Write(files=(new_file("o", tenant="other"),)))
    for _ in range(65):
        # Each commit writes two events.
        records.write(Write(files=(new_file("a"), new_file("b"))))
    kept = settled(lambda: records.events("demo", 0, 1000), 101)
    newest = records.events_before("demo", 1 << 62, 1000)
    assert [event.seq for event in kept] == [event.seq for event in newest[::-1]]
    assert len(kept) >= 100
    assert kept[-1].kind == "file.replaced"
    first, dropped = kept[0].seq, records.events_dropped("demo")
    assert 0 < dropped < first
    assert records.events("demo", dropped, 1)[0].seq == first
    assert records.events_dropped("nobody") == 0


@pytest.mark.usefixtures("all_tenants")
def test_the_worker_looks_at_all_tenants(database: Database, records: SqlRecords) -> None:
    """After a limit was lowered, the hourly run of the worker drops the surplus of all tenants and
    remembers the last dropped numbers.
    """
    for key in range(30):
        records.write(Write(files=(new_file(str(key)),)))
    for key in range(5):
        records.write(Write(files=(new_file(str(key), tenant="other"),)))
    assert limited(database, events=10).forget_events(0) == 20
    assert len(records.events("demo", 0, 1000)) == 10
    assert len(records.events("other", 0, 1000)) == 5
    assert records.events_dropped("other") == 0
    assert records.forget_events(1 << 62) == 13
    assert records.events_dropped("other") > 0
