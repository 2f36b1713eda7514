"""Tests of the sweep of a store that lists by hour: each hour is swept once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from servicekit.ids import uuid7_hex
from tests.servers.hourly_store import HourlyStore
from tests.servers.upload import UploadService, ages, new_file
from wharf_upload.domain.file_writes import Write
from wharf_upload.maintenance.sweeper import Sweeper, Swept
from wharf_upload.storage.base import BlobName, Found, Made, StoreError
from wharf_upload.storage.memory import MemoryStore
from wharf_upload.storage.timed import TimedStore

_HOUR = 3600
# The start of an hour, long ago.
_BEGIN = 400_000 * _HOUR
_LEASE = 1800


def hours(store: HourlyStore) -> list[int | None]:
    """Return the hours that were listed, counted from the start; `None` means all hours."""
    return [None if made is None else int(made.since - _BEGIN) // _HOUR for made in store.listed]


@pytest.fixture
def store() -> HourlyStore:
    """Return an empty store."""
    return HourlyStore()


def blob_of(hour: float, store: HourlyStore) -> BlobName:
    """Store a blob without a row that was made `hour` hours after the start."""
    name = BlobName("demo", f"{int(1000 * (_BEGIN + hour * _HOUR)):012x}{uuid7_hex()[12:]}")
    store.put(name, b"x")
    return name


def sweeper(
    upload: UploadService,
    store: HourlyStore,
    hour: float,
    *,
    dry_run: bool = False,
    lease: int = _LEASE,
) -> Sweeper:
    """Return a sweeper whose clock is `hour` hours after the start."""
    return Sweeper(
        TimedStore(store),
        upload.records,
        upload.settings.spool_folder.parent,
        ages(lease),
        dry_run=dry_run,
        clock=lambda: _BEGIN + hour * _HOUR,
        place="bucket",
    )


def walk(upload: UploadService, store: HourlyStore, hour: float) -> Swept:
    """Walk as the worker does each hour; `store.listed` then has only what this walk listed."""
    store.listed.clear()
    return sweeper(upload, store, hour).run()


def test_each_hour_once(upload: UploadService, store: HourlyStore) -> None:
    """The first walk lists everything. Later walks list each hour once, a lease after the end of
    the hour.
    """
    old = blob_of(-1000, store)
    assert walk(upload, store, 0.6).rowless_blobs == 1
    assert (hours(store), store.names()) == ([None], set[BlobName]())
    assert old not in store.names()
    early, late = blob_of(0.1, store), blob_of(1.9, store)
    # The hour 0 ends 1 hour after the start. The lease is half an hour, so the sweep is due at 1.5.
    assert walk(upload, store, 1.49).rowless_blobs == 0
    assert hours(store) == []
    assert walk(upload, store, 1.5).rowless_blobs == 1
    assert (hours(store), store.names()) == ([0], {late})
    assert early not in store.names()
    walk(upload, store, 1.6)
    assert hours(store) == []
    walk(upload, store, 4.5)
    assert (hours(store), store.names()) == ([1, 2, 3], set[BlobName]())


def test_what_rows_name_stays(upload: UploadService, store: HourlyStore) -> None:
    """No walk removes blobs of live files or pending deletions."""
    for hour in (-1, 0.5):
        names = [blob_of(hour, store) for _ in range(2)]
        for number, name in enumerate(names):
            file = new_file(f"{hour}-{number}", id=name.blob, blob=name.blob)
            upload.records.write(Write(files=(file,)))
        upload.records.delete("demo", "default", f"{hour}-1", None)
    assert walk(upload, store, 0.6).rowless_blobs == 0
    assert walk(upload, store, 3).rowless_blobs == 0
    assert len(store.names()) == 4


def test_a_failure_lets_the_hour_come_again(upload: UploadService, store: HourlyStore) -> None:
    """A blob that cannot be removed does not protect other blobs, and its hour is swept again."""
    walk(upload, store, 0.6)
    stuck, others = blob_of(0.5, store), [blob_of(0.5, store) for _ in range(3)]
    later = blob_of(1.5, store)
    store.stuck = {stuck}
    swept = walk(upload, store, 3)
    assert (swept.rowless_blobs, swept.failures, hours(store)) == (4, 1, [0])
    assert store.names() == {stuck, later}
    assert store.names().isdisjoint(others)
    store.stuck = set()
    assert walk(upload, store, 3).rowless_blobs == 2
    assert (hours(store), store.names()) == ([0, 1], set[BlobName]())


def test_a_failure_among_very_many(upload: UploadService, store: HourlyStore) -> None:
    """An hour of many blobs is swept again if any blob stayed, even if the last one was removed."""
    walk(upload, store, 0.6)
    names = [blob_of(0.5, store) for _ in range(1001)]
    store.stuck = {names[0]}
    swept = walk(upload, store, 3)
    assert (swept.rowless_blobs, swept.failures, hours(store)) == (1001, 1, [0])
    assert swept.rowless_bytes == 1001
    store.stuck = set()
    assert walk(upload, store, 3).rowless_blobs == 1
    assert hours(store) == [0, 1]


def test_a_listing_that_breaks_off(
    upload: UploadService, store: HourlyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a listing breaks off, the next walk lists the same again: the whole store in the first
    walk, and later the hour.
    """

    def broken(made: Made | None = None) -> Iterator[Found]:
        yield from MemoryStore.blobs(store, made)
        raise StoreError("gone away")

    blob_of(-1, store)
    for hour, listed in ((0.6, [None]), (1.6, [0])):
        with monkeypatch.context() as patched:
            patched.setattr(store, "blobs", broken)
            assert walk(upload, store, hour).failures == 1
        assert walk(upload, store, hour).failures == 0
        assert hours(store) == listed


def test_a_long_pause_of_the_worker(upload: UploadService, store: HourlyStore) -> None:
    """After a year without a walk one walk lists a month of hours, and the next one continues."""
    walk(upload, store, 0.6)
    walk(upload, store, 9000)
    assert hours(store) == list(range(744))
    walk(upload, store, 9000)
    assert hours(store)[0] == 744


def test_the_command_walks_everything(upload: UploadService, store: HourlyStore) -> None:
    """The command, even as a dry run, also finds blobs stored in an hour after its sweep."""
    walk(upload, store, 10)
    late = blob_of(3, store)
    assert walk(upload, store, 10).rowless_blobs == 0
    dry = sweeper(upload, store, 12, dry_run=True).run(all_hours=True)
    assert dry.names[-1] == f"rowless demo/{late.blob}"
    assert sweeper(upload, store, 12).run(all_hours=True).rowless_blobs == 1
    assert upload.records.swept_until("bucket") == _BEGIN + 9 * _HOUR
    assert store.names() == set()


def test_a_mark_from_the_future(upload: UploadService, store: HourlyStore) -> None:
    """A swept hour in the future, which a wrong clock has stored, does not prevent a sweep."""
    walk(upload, store, 5000)
    blob_of(8.5, store)
    assert walk(upload, store, 10).rowless_blobs == 1
    assert upload.records.swept_until("bucket") == _BEGIN + 9 * _HOUR
    # A worker whose clock is minutes behind sweeps no hour again.
    walk(upload, store, 9.4)
    assert hours(store) == []


def test_an_impatient_command(upload: UploadService, store: HourlyStore) -> None:
    """A command with a shorter lease than the worker's stores no swept hour, so that the worker
    still finds later blobs of these hours.
    """
    walk(upload, store, 10)
    sweeper(upload, store, 12, lease=0).run(all_hours=True)
    # A request from that hour was still running, and fails now.
    blob_of(11.5, store)
    assert walk(upload, store, 13).rowless_blobs == 1
    assert store.names() == set()


def test_the_age_is_the_name_s(upload: UploadService, store: HourlyStore) -> None:
    """A blob's age is computed from its name, because the store has another clock."""
    young = blob_of(9.9, store)
    old = blob_of(9.1, store)
    # `MemoryStore` reports today's date for both, long after these hours.
    assert sweeper(upload, store, 10).run(all_hours=True).rowless_blobs == 1
    assert store.names() == {young}
    assert old not in store.names()
    # The blob is removed in the exact second in which it is as old as a lease.
    assert sweeper(upload, store, 9.9, lease=0).run(all_hours=True).rowless_blobs == 1


def test_a_bucket_of_its_own(upload: UploadService, store: HourlyStore) -> None:
    """The swept hour of one store does not apply to another store."""
    upload.records.note_swept("another", _BEGIN + 100 * _HOUR)
    blob_of(-1, store)
    assert walk(upload, store, 0.6).rowless_blobs == 1


def test_after_a_move(upload: UploadService, store: HourlyStore) -> None:
    """After a move the worker finds what a killed mover left in an hour that was swept before."""
    walk(upload, store, 10)
    left = blob_of(3, store)
    # While blobs are moved, nothing is listed by hour, and each store gives the ages.
    store.lists_by_hour = False
    assert walk(upload, store, 11).rowless_blobs == 0
    assert store.names() == {left}
    store.lists_by_hour = True
    assert walk(upload, store, 12).rowless_blobs == 1
    assert hours(store) == [None]


def test_after_a_move_in_which_a_store_failed(
    upload: UploadService, store: HourlyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a move no hour counts as swept, even if no walk was completed during the move."""

    def broken(_: Made | None = None) -> Iterator[Found]:
        raise StoreError("gone away")

    walk(upload, store, 10)
    left = blob_of(3, store)
    store.lists_by_hour = False
    with monkeypatch.context() as patched:
        patched.setattr(store, "blobs", broken)
        assert walk(upload, store, 11).failures == 1
    store.lists_by_hour = True
    assert store.names() == {left}
    assert walk(upload, store, 12).rowless_blobs == 1


def test_many_are_deleted_at_once(upload: UploadService, store: HourlyStore) -> None:
    """Deleted blobs are removed a thousand at a time, and a failure keeps only its own row."""
    names = [blob_of(0, store) for _ in range(1001)]
    for number, name in enumerate(names):
        upload.records.write(Write(files=(new_file(f"{number}", id=name.blob, blob=name.blob),)))
        upload.records.delete("demo", "default", f"{number}", None)
    store.stuck = {names[0]}
    swept = sweeper(upload, store, 1_000_000).run(blobs=False)
    assert (swept.deleted_blobs, swept.failures, store.deleted) == (1000, 1, [1000])
    store.stuck = set()
    sweeper(upload, store, 1_000_000).run(blobs=False)
    assert upload.records.pending_deletion(1 << 60, 10) == []
    assert store.names() == set()


def test_multipart_uploads_are_looked_for_once_an_hour(
    upload: UploadService, store: HourlyStore
) -> None:
    """Only the hourly walk lists unfinished multipart uploads.

    The walk removes the multipart uploads that are older than a lease.
    """
    store.unfinished = [("old", _BEGIN + 49.5 * _HOUR), ("young", _BEGIN + 49.9 * _HOUR)]
    assert sweeper(upload, store, 50).run(blobs=False).leftovers == 0
    assert store.looks_for_unfinished == 0
    assert sweeper(upload, store, 50).run().leftovers == 1
