"""Tests that `move-blobs` loses no blob, whichever step fails."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servicekit.database import DatabaseUnavailable
from servicekit.ids import uuid7_hex
from wharf_upload.domain.files import BlobContent, PendingDeletion
from wharf_upload.maintenance import blobs_left
from wharf_upload.maintenance.blobs_left import Left
from wharf_upload.maintenance.moving_blobs import BlobMover, Moved
from wharf_upload.maintenance.pace import Pace
from wharf_upload.storage.base import BlobName, Found, Made, StoreError, StoreFull
from wharf_upload.storage.local import LocalStore
from wharf_upload.storage.memory import MemoryReader, MemoryStore, MemoryWriter
from wharf_upload.storage.timed import TimedStore

_MIB = 1 << 20


def _nothing(_: BlobName) -> None:
    """Do nothing."""


class Rows:
    """The blobs that live files name, with their sizes and digests."""

    def __init__(self) -> None:
        self.live: dict[tuple[str, str], BlobContent] = {}
        self.before: Callable[[], object] = dict  # The test may let an event happen here.

    def live_blobs(self, names: list[tuple[str, str]]) -> dict[tuple[str, str], BlobContent]:
        """Return those of the names that live files have."""
        self.before()
        return {name: self.live[name] for name in names if name in self.live}

    def known_blobs(self, names: list[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return the live blobs, because no deletion is pending."""
        return set(self.live_blobs(names))

    def pending_deletion(self, before: int, limit: int) -> list[PendingDeletion]:
        """Return an empty list, because no deletion is pending."""
        return []

    def forget_pending_deletions(self, blobs: list[str]) -> None:
        """Do nothing, because no deletion is pending."""


class Reader(MemoryReader):
    """Content whose reads fail."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Raise an error, as a disk does."""
        raise OSError(5, "broken")


class Faulty(MemoryStore):
    """A store in memory that calls a function of the test before each operation."""

    def __init__(self, capacity: int = 1 << 30) -> None:
        super().__init__(capacity)
        self.before: dict[str, Callable[[BlobName], None]] = {}
        self.broken: set[BlobName] = set()
        self.durable: set[BlobName] = set()
        self.opened: list[BlobName] = []
        self.listed = 0

    def _happen(self, operation: str, name: BlobName) -> None:
        self.before.get(operation, _nothing)(name)

    def blobs(self, made: Made | None = None) -> Iterator[Found]:
        """Count the call and list the blobs."""
        self.listed += 1
        return super().blobs(made)

    def open(self, name: BlobName) -> MemoryReader:
        """Call the test's function and open the blob, which may be unreadable."""
        self.opened.append(name)
        self._happen("open", name)
        reader = super().open(name)
        return Reader(reader.getvalue()) if name in self.broken else reader

    def create(self, name: BlobName) -> MemoryWriter:
        """Call the test's function and create the blob."""
        self._happen("create", name)
        return super().create(name)

    def put(self, name: BlobName, content: bytes, sha256: bytes | None = None) -> None:
        """Call the test's function and store the blob; a commit also ends with this call."""
        self._happen("put", name)
        super().put(name, content, sha256)

    def make_durable(self, names: list[BlobName]) -> None:
        """Record the names."""
        self.durable.update(names)

    def delete_all(self, names: list[BlobName]) -> list[BlobName]:
        """Call the test's function for each name and delete the blobs."""
        for name in names:
            self._happen("delete", name)
        return super().delete_all(names)


class Move:
    """Two stores and rows."""

    def __init__(self) -> None:
        self.old, self.new, self.rows = Faulty(), Faulty(), Rows()
        self.pauses: tuple[float, ...] = (0.0, 0.0)
        self.grace_seconds = 0.0
        self.held: Callable[[], bool] = lambda: False
        self.pace: Pace | None = None
        self.seen: list[tuple[int, int]] = []

    def file(self, content: bytes = b"content", tenant: str = "demo") -> BlobName:
        """Store a file's bytes in the old store, and its row."""
        name = BlobName(tenant, uuid7_hex())
        self.old.put(name, content)
        self.rows.live[tenant, name.blob] = BlobContent(
            len(content), hashlib.sha256(content).hexdigest()
        )
        return name

    def give_up(self, name: BlobName) -> None:
        """Delete a file, and remove its blob from both stores as the sweeper does."""
        del self.rows.live[name.tenant, name.blob]
        self.old.delete(name)
        self.new.delete(name)

    def run(self) -> Moved:
        """Move all blobs."""
        return BlobMover(
            TimedStore(self.old),
            TimedStore(self.new),
            self.rows,
            grace_seconds=self.grace_seconds,
            pace=self.pace,
            held=self.held,
            pauses=self.pauses,
            progress=lambda moved: self.seen.append((moved.copied_files, moved.copied_bytes)),
        ).run()

    def left(self) -> Left:
        """Return what is left in the old store."""
        return blobs_left.left(self.old, self.rows)

    def names(self, store: MemoryStore) -> set[BlobName]:
        """Return the names of a store's blobs."""
        return {found.name for found in store.blobs()}


@pytest.fixture
def move() -> Move:
    return Move()


def fails(error: Exception, times: int = 1) -> Callable[[BlobName], None]:
    """Return a function that raises the error this many times."""
    left = [times]

    def happen(_: BlobName) -> None:
        if left[0]:
            left[0] -= 1
            raise error

    return happen


def test_all_are_moved(move: Move) -> None:
    """After a move every blob is durably in the new store, and none is in the old one."""
    contents = [b"", b"x", os.urandom(3 * _MIB + 1), *(b"%d" % number for number in range(450))]
    names = {move.file(content, f"tenant-{len(content) % 3}"): content for content in contents}
    assert move.left() == Left(len(names), sum(map(len, contents)), 0)
    moved = move.run()
    assert (moved.copied_files, moved.removed_files, moved.faults) == (453, 453, [])
    assert moved.copied_bytes == sum(map(len, contents))
    assert {name: move.new.open(name).read() for name in names} == names
    assert move.new.durable >= set(names)
    assert move.left() == Left()
    assert move.seen[-1] == (453, moved.copied_bytes)


def test_rowless_blobs_stay(move: Move) -> None:
    """Blobs without a live file are neither copied nor removed, and are counted."""
    names = {BlobName("demo", uuid7_hex()) for _ in range(201)}
    for name in names:
        move.old.put(name, b"x")
    moved = move.file()
    move.run()
    # A second listing finds no new blob to move, so there is no third one.
    assert move.old.listed == 2
    assert (move.names(move.old), move.names(move.new)) == (names, {moved})
    assert move.left() == Left(0, 0, 201)


@pytest.mark.parametrize("content", [b"changed", b"short", b"longer than it was"])
def test_damaged_blobs_stay(move: Move, content: bytes) -> None:
    """A blob that does not match its row's digest or size is reported and not moved."""
    damaged, right = move.file(b"content"), move.file()
    move.old.delete(damaged)
    move.old.put(damaged, content)
    moved = move.run()
    assert moved.faults == [f"demo/{damaged.blob}: its bytes have changed"]
    assert (move.names(move.old), move.names(move.new)) == ({damaged}, {right})


def test_a_copy_that_is_there_already(move: Move) -> None:
    """A blob that was copied before is compared, made durable and removed, but not copied."""
    name = move.file()
    move.new.put(name, b"content")
    moved = move.run()
    assert (moved.copied_files, moved.removed_files) == (0, 1)
    assert (move.names(move.old), move.names(move.new)) == (set(), {name})
    assert name in move.new.durable


@pytest.mark.parametrize("content", [b"changed", b"short"])
def test_a_damaged_copy_is_replaced(move: Move, content: bytes) -> None:
    """A copy that does not match the row is replaced by the right bytes."""
    name = move.file()
    move.new.put(name, content)
    move.run()
    assert move.new.open(name).read() == b"content"
    assert move.names(move.old) == set()


def test_two_damaged_ones(move: Move) -> None:
    """If both copies of a blob are damaged, both stores keep their copies."""
    name = move.file()
    move.old.delete(name)
    for store in (move.old, move.new):
        store.put(name, b"changed")
    assert len(move.run().faults) == 1
    assert move.names(move.old) == move.names(move.new) == {name}


@pytest.mark.parametrize("operation", ["open", "create", "put"])
def test_a_new_store_that_fails_for_a_while(move: Move, operation: str) -> None:
    """Operations of the new store that fail twice and then succeed do not end the run."""
    names = {move.file() for _ in range(5)}
    move.new.before[operation] = fails(OSError(5, "broken"), times=2)
    assert move.run().faults == []
    assert (move.names(move.old), move.names(move.new)) == (set(), names)


def test_a_lost_answer(move: Move) -> None:
    """A blob that was stored although the call failed is moved at the next try."""
    name = move.file()

    def lost(_: BlobName) -> None:
        del move.new.before["put"]
        move.new.put(name, b"content")
        raise OSError(110, "no answer")

    move.new.before["put"] = lost
    assert move.run().faults == []
    assert (move.names(move.old), move.names(move.new)) == (set(), {name})


def test_a_new_store_that_keeps_failing(move: Move) -> None:
    """A store that keeps failing ends the run, nothing is removed, and the next run continues."""
    names = {move.file() for _ in range(300)}
    move.new.before["put"] = fails(OSError(5, "broken"), times=1 << 30)
    with pytest.raises(StoreError):
        move.run()
    assert (move.names(move.old), move.names(move.new)) == (names, set())
    del move.new.before["put"]
    move.run()
    assert (move.names(move.old), move.names(move.new)) == (set(), names)


@pytest.mark.parametrize("which", ["rows", "pauses"])
def test_a_database_that_is_away_for_a_while(move: Move, which: str) -> None:
    """A database that fails twice and then responds does not end the run."""
    name = move.file()
    fail = fails(DatabaseUnavailable("it restarts"), times=2)
    if which == "rows":
        move.rows.before = lambda: fail(name)
    else:
        move.held = lambda: bool(fail(name))
    assert move.run().faults == []
    assert (move.names(move.old), move.names(move.new)) == (set(), {name})


def test_a_full_new_store(move: Move) -> None:
    """A full new store ends the run immediately, and no blob is lost."""
    names = {move.file(b"x" * 1000) for _ in range(10)}
    move.new = Faulty(capacity=3500)
    move.pauses = (60.0,)  # A full store must end the run without this pause.
    with pytest.raises(StoreFull):
        move.run()
    assert move.names(move.old) | move.names(move.new) == names


def test_a_blob_that_cannot_be_read(move: Move) -> None:
    """A blob that the old store cannot read is reported and stays; all other blobs are moved."""
    broken, right = move.file(), move.file()
    move.old.broken.add(broken)
    assert move.run().faults == [f"demo/{broken.blob}: its bytes cannot be read"]
    assert (move.names(move.old), move.names(move.new)) == ({broken}, {right})


def test_an_old_store_that_reads_nothing(move: Move) -> None:
    """Twenty unreadable blobs of the old store and no readable one end the run; fewer do not."""
    move.old.broken.update(move.file() for _ in range(19))
    assert len(move.run().faults) == 19
    move.old.broken.add(move.file())
    with pytest.raises(StoreError, match=r"^the old place cannot be read$"):
        move.run()


def test_bytes_that_change_on_the_way(move: Move) -> None:
    """The new store checks the digest, and does not keep bytes that changed on the way."""
    name = move.file()

    def changing(name: BlobName) -> MemoryWriter:
        writer = MemoryWriter(move.new, name)
        writer.write(b"CONTENT")
        writer.write = lambda data: None  # type: ignore[method-assign]
        return writer

    move.new.create = changing  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="digest"):
        move.run()
    assert (move.names(move.old), move.names(move.new)) == ({name}, set())


@pytest.mark.parametrize("operation", ["open", "create", "put"])
def test_a_file_that_is_deleted_meanwhile(move: Move, operation: str) -> None:
    """A file that is deleted and swept during its copy leaves no bytes in either store."""
    name, other = move.file(), move.file()

    def delete(happening: BlobName) -> None:
        if happening == name and (name.tenant, name.blob) in move.rows.live:
            move.give_up(name)

    move.new.before[operation] = delete
    assert move.run().faults == []
    assert (move.names(move.old), move.names(move.new)) == (set(), {other})


def test_a_file_that_is_deleted_in_the_grace(move: Move) -> None:
    """A file that is deleted before its old blob is removed is not a fault."""
    name = move.file()
    move.grace_seconds = 0.1
    move.new.before["open"] = lambda _: (
        move.give_up(name) if move.names(move.new) and move.rows.live else None
    )
    assert move.run().faults == []
    assert move.names(move.old) == move.names(move.new) == set()


def test_a_copy_that_vanishes(move: Move) -> None:
    """A blob whose copy vanished during the grace is reported, and stays in the old store."""
    name = move.file()
    move.grace_seconds = 0.1
    move.new.before["open"] = move.new.delete
    assert move.run().faults == [f"demo/{name.blob}: its copy has vanished from the new place"]
    assert move.names(move.old) == {name}


@pytest.mark.parametrize(
    ("size", "content"),
    [(_MIB, b"y" * _MIB), (_MIB + 1, b"x" * _MIB), (_MIB + 1, None)],
)
def test_a_copy_that_is_damaged_in_the_grace(move: Move, size: int, content: bytes | None) -> None:
    """Before a blob is removed, its copy is read again if it is small, else its size is checked."""
    name = move.file(b"x" * size)

    def damage(name: BlobName) -> None:
        if name in move.names(move.new):
            move.new.delete(name)
            if content is not None:
                del move.new.before["open"]
                move.new.put(name, content)

    move.new.before["open"] = damage
    assert move.run().faults == [f"demo/{name.blob}: its copy has vanished from the new place"]
    assert move.names(move.old) == {name}


def test_an_old_store_that_does_not_delete(move: Move) -> None:
    """A blob that cannot be removed from the old store is reported, and both stores have it."""
    name = move.file()
    move.old.before["delete"] = fails(OSError(5, "broken"), times=1 << 30)
    move.old.delete_all = lambda names: names  # type: ignore[method-assign]
    moved = move.run()
    assert moved.faults == [f"demo/{name.blob}: it cannot be removed from the old place"]
    assert (moved.copied_files, moved.removed_files) == (1, 0)
    assert move.names(move.old) == move.names(move.new) == {name}


def test_files_that_come_meanwhile(move: Move) -> None:
    """Blobs that a replica with old settings stores during the run are also moved."""
    move.file()
    late: list[BlobName] = []

    def come(_: BlobName) -> None:
        if len(late) < 3:
            late.append(move.file())

    move.old.before["delete"] = come
    moved = move.run()
    assert (moved.copied_files, moved.copied_bytes, moved.removed_files) == (4, 28, 4)
    assert move.left() == Left()


def test_files_that_come_without_end(move: Move) -> None:
    """A replica that keeps storing in the old place does not keep the run from ending."""
    move.file()
    move.old.before["delete"] = lambda _: (move.file(), None)[1]
    assert move.run().faults == []
    assert move.left().files == 1


def test_two_runs_at_once(move: Move) -> None:
    """Two concurrent runs, which a lease normally prevents, lose nothing and report no fault."""
    contents = {move.file(b"%d" % number): b"%d" % number for number in range(300)}
    ends: list[Moved] = []
    threads = [threading.Thread(target=lambda: ends.append(move.run())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [moved.faults for moved in ends] == [[], []]
    assert {name: move.new.open(name).read() for name in move.names(move.new)} == contents
    assert move.names(move.old) == set()


def test_the_grace(move: Move) -> None:
    """A blob stays in the old store for the grace after its copy was stored."""
    move.file()
    move.grace_seconds = 0.3
    times: dict[str, float] = {}
    move.new.before["put"] = lambda _: times.update(copied=time.monotonic())
    move.old.before["delete"] = lambda _: times.update(removed=time.monotonic())
    move.run()
    assert times["removed"] - times["copied"] >= move.grace_seconds


def test_nothing_is_removed_while_somebody_copies(move: Move) -> None:
    """During a backup's pause blobs are copied, and none is removed."""
    names = {move.file() for _ in range(3)}
    seen: list[tuple[set[BlobName], set[BlobName]]] = []

    def held() -> bool:
        seen.append((move.names(move.old), move.names(move.new)))
        return len(seen) == 1

    move.held = held
    move.run()
    assert seen == [(names, names)] * 2
    assert move.names(move.old) == set()


def test_an_interrupt(move: Move) -> None:
    """An operator's interrupt ends the run while threads are still copying."""
    names = {move.file(b"x" * (8 * _MIB)) for _ in range(4)}

    def interrupt(moved: Moved) -> None:
        if moved.copied_bytes >= _MIB:
            raise KeyboardInterrupt

    mover = BlobMover(move.old, move.new, move.rows, grace_seconds=0, progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        mover.run()
    assert move.names(move.old) == names


def test_what_keeps_the_pace(move: Move) -> None:
    """The pace counts all bytes read: copied blobs, their copies, and copies of earlier runs."""
    passed: list[int] = []

    class Noting(Pace):
        """A pace that records the bytes that pass."""

        def passed(self, count: int) -> None:
            passed.append(count)

    move.file(b"x" * 1000)
    move.new.put(move.file(b"y" * 10), b"y" * 10)
    move.pace = Noting(None)
    move.run()
    assert sorted(passed) == [10, 10, 1000, 1000]


@pytest.mark.parametrize("content", [b"content", b"changed"])
def test_a_file_on_the_disk(move: Move, tmp_path: Path, content: bytes) -> None:
    """A file on a disk is sent directly if its digest matches, without a temporary copy."""
    name, disk = move.file(), LocalStore(tmp_path)
    disk.prepare()
    disk.put(name, content)
    move.new.before["create"] = fails(StoreError("there is no room for a copy"), times=1 << 30)
    moved = BlobMover(TimedStore(disk), move.new, move.rows, grace_seconds=0).run()
    right = content == b"content"
    assert len(moved.faults) == (not right)
    assert move.names(move.new) == ({name} if right else set())
    assert [found.name for found in disk.blobs()] == ([] if right else [name])
    assert list(disk.leftovers()) == []
