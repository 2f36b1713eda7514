"""Reservations for bodies under way, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from servicekit.database import Database, open_database
from wharf_upload.database.reservations import SqlReservations
from wharf_upload.database.room_contract import Judge
from wharf_upload.domain.reservation import LAPSES_MILLISECONDS, Needed, Reserved

MIB = 1 << 20
New = Callable[..., SqlReservations]


class Clock:
    """A clock in Unix seconds that the test sets."""

    def __init__(self) -> None:
        self.now, self.step = 1_795_000_000.0, 0.000_01

    def __call__(self) -> float:
        """Return the time, a little later for each call unless the test has stopped the clock."""
        self.now += self.step
        return self.now

    def stop(self) -> float:
        """Stop the clock, so that only the test moves it, and return the time."""
        self.step = 0.0
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return the clock of all processes."""
    return Clock()


@pytest.fixture
def new(database: Database, tmp_path: Path, clock: Clock) -> New:
    """Return a function that makes another `SqlReservations`, as each process has one."""
    own = database.dialect == "sqlite"

    def make(instance: str = "native", disk: str = "") -> SqlReservations:
        used = (
            open_database(f"sqlite:///{tmp_path / 'room.db'}", durable=False) if own else database
        )
        return SqlReservations(used, instance=instance, disk=disk, clock=clock)

    return make


def needs(size: int = MIB, inodes: int = 1, files: int = 1) -> Judge:
    """Return a judge that admits each body and reserves these amounts."""
    needed = Needed(disk_bytes=2 * size, quota_bytes=size, inodes=inodes, files=files)
    return lambda _: needed


def seen(by: SqlReservations, tenant: str = "demo", ticket: str = "") -> Reserved:
    """Return the reservations that the next body would see, without reserving for a body."""

    class Looked(Exception):
        pass

    found: list[Reserved] = []

    def look(reserved: Reserved) -> Needed:
        found.append(reserved)
        raise Looked

    with pytest.raises(Looked):
        by.reserve(tenant, ticket, look)
    return found[0]


def test_sums(new: New) -> None:
    """A new body sees the sums of all reservations on its disk, of its tenant,
    and of its ticket.
    """
    one, other = new(), new()
    one.reserve("demo", "t1", needs())
    other.reserve("demo", "", needs())
    other.reserve("else", "", needs(inodes=5))
    found = seen(one, "demo", "t1")
    assert (found.disk_bytes, found.inodes, found.bodies) == (6 * MIB, 7, 3)
    assert (found.own_disk_bytes, found.quota_bytes, found.files) == (4 * MIB, 2 * MIB, 2)
    assert (found.ticket_quota_bytes, found.ticket_files, found.ticket_bodies) == (MIB, 1, 1)
    assert seen(one, "demo", "t2").ticket_bodies == 0
    assert seen(one, "third").quota_bytes == 0
    assert one.reserved().outstanding_bytes == 6 * MIB


def test_refusals_reserve_nothing(new: New) -> None:
    """A refused body reserves nothing."""
    reservations = new()
    seen(reservations)
    assert reservations.reserved() == Reserved()


def test_ends(new: New) -> None:
    """A reservation ends once, in any process, and an unknown id ends nothing."""
    one, other = new(), new()
    first = one.reserve("demo", "t", needs())
    second = one.reserve("demo", "", needs())
    assert other.end([first.id, "no number", "", "1", "9" * 30, "9" * 19]) == 1
    assert one.end([first.id]) == 0
    found = seen(one, "demo", "t")
    assert (found.disk_bytes, found.quota_bytes, found.bodies) == (2 * MIB, MIB, 1)
    assert found.ticket_bodies == 0
    assert one.end([second.id]) == 1
    assert one.reserved() == Reserved()


def test_many_end_at_once(new: New) -> None:
    """Many reservations of several tenants and tickets end in one call."""
    reservations = new()
    ids = [reservations.reserve(f"t{number % 7}", f"k{number}", needs()).id for number in range(40)]
    assert reservations.end(ids) == 40
    assert reservations.reserved() == Reserved()


def test_disks(new: New) -> None:
    """Replicas with separate disks share the tenant's quota, but not the disk space."""
    one, other = new("a", "a"), new("b", "b")
    one.reserve("demo", "", needs())
    found = seen(other)
    assert (found.disk_bytes, found.own_disk_bytes, found.bodies) == (0, 0, 0)
    assert (found.quota_bytes, found.files) == (MIB, 1)


def test_those_that_reserve_take_turns(new: New) -> None:
    """If many bodies ask for admission at the same time, exactly as many are admitted as fit."""
    room = 7 * 2 * MIB
    admitted: list[str] = []

    class NoRoom(Exception):
        pass

    def judge(reserved: Reserved) -> Needed:
        if reserved.outstanding_bytes + 2 * MIB > room:
            raise NoRoom
        return Needed(disk_bytes=2 * MIB, quota_bytes=MIB)

    def come(reservations: SqlReservations) -> None:
        for _ in range(3):
            with suppress(NoRoom):
                admitted.append(reservations.reserve("demo", "", judge).id)

    threads = [threading.Thread(target=come, args=(new(),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(admitted)) == len(admitted) == 7


def test_lapses(new: New, clock: Clock) -> None:
    """A reservation that no process ends expires after about an hour. A larger body's reservation
    expires later.
    """
    reservations = new()
    reservations.reserve("demo", "", needs())
    large = reservations.reserve("demo", "", needs(size=600 * MIB))
    assert large.until > int(clock.now * 1000) + LAPSES_MILLISECONDS + 1_000_000
    clock.now += LAPSES_MILLISECONDS / 1000
    assert reservations.lapse() == 0
    clock.now += 60
    assert reservations.lapse() == 1
    assert reservations.reserved().bodies == 1


def test_a_lost_gateway(new: New, clock: Clock) -> None:
    """The reservations of a lost gateway expire early, except those of bodies that were admitted
    after the last measurement.
    """
    lost, idle, living = new("lost"), new("idle"), new("living")
    for one in (lost, idle):
        one.reserve("demo", "", needs())
        one.reserve("demo", "", needs(), streamed=True)
        one.note_written(0, 0)
    clock.now += 500
    assert living.lapse() == 0
    idle.note_written(0, 0)
    clock.now += 200
    # The lost gateway had no body when it was measured last, and now it has a new one.
    lost.reserve("demo", "", needs())
    assert living.lapse() == 2
    assert living.reserved().bodies == 3


def test_a_gateway_starts(new: New, clock: Clock) -> None:
    """A gateway that starts clears its own older reservations, and no
    reservation of another gateway.
    """
    began = clock()
    one, other = new("a"), new("b")
    one.reserve("demo", "", needs())
    other.reserve("demo", "", needs())
    assert one.clear(streamed=False, before=began) == 0
    assert one.clear(streamed=False, before=clock()) == 1
    one.reserve("demo", "", needs())
    assert one.clear(streamed=False) == 1
    assert one.reserved().bodies == 1


def test_a_stream_server_starts(new: New) -> None:
    """A stream server that starts clears the streams of its predecessor, and no body of the
    gateway. A gateway that starts clears its streams, too.
    """
    one, other = new("a"), new("b")
    one.note_written(0, 0)
    one.reserve("demo", "", needs(), streamed=True)
    one.reserve("demo", "", needs())
    other.reserve("demo", "", needs(), streamed=True)
    one.note_written(2 * MIB, 1)
    assert one.reserved().outstanding_bytes == 4 * MIB
    assert new("a").clear(streamed=True) == 1
    assert one.reserved().outstanding_bytes == 4 * MIB
    assert new("b").clear(streamed=False) == 1
    assert one.reserved().bodies == 1


def test_what_is_written(new: New, clock: Clock) -> None:
    """Bytes that a recent measurement found on the disk no longer count as outstanding."""
    one, other = new("a"), new("b")
    one.note_written(0, 0)
    one.reserve("demo", "", needs(inodes=3))
    one.note_written(MIB, 1)
    found = seen(other)
    assert (found.outstanding_bytes, found.outstanding_inodes) == (MIB, 2)
    assert found.written_bytes == MIB
    clock.now += 10
    assert seen(other).outstanding_bytes == 2 * MIB


def test_an_end_takes_what_it_has_written(new: New) -> None:
    """The amounts that other bodies need do not decrease when an ended body's files are
    still on the disk.
    """
    reservations = new()
    reservations.note_written(0, 0)
    first = reservations.reserve("demo", "", needs())
    reservations.reserve("demo", "", needs())
    reservations.note_written(3 * MIB, 2)
    reservations.end([first.id])
    assert reservations.reserved().outstanding_bytes == MIB
    # This measurement finds the same files: those of the first body were not removed yet.
    reservations.note_written(3 * MIB, 2)
    assert reservations.reserved().outstanding_bytes == MIB
    reservations.note_written(MIB, 1)
    assert reservations.reserved().outstanding_bytes == MIB


def test_a_first_look(new: New) -> None:
    """The first measurement of a process is ignored, because the process does not know
    which bodies have ended.
    """
    one = new()
    one.note_written(0, 0)
    one.reserve("demo", "", needs())
    one.note_written(MIB, 1)
    other = new()
    other.note_written(MIB, 1)
    found = other.reserved()
    assert (found.outstanding_bytes, found.outstanding_inodes) == (2 * MIB, 1)
    other.note_written(MIB, 1)
    assert other.reserved().outstanding_bytes == MIB


def test_oldest(new: New, clock: Clock) -> None:
    """The records know the admission time of a gateway's oldest body."""
    one, other = new("a"), new("b")
    assert one.oldest() is None
    other.reserve("demo", "", needs())
    clock.now += 100
    begun = clock.now
    one.reserve("demo", "", needs())
    one.reserve("demo", "", needs())
    oldest = one.oldest()
    assert oldest is not None
    assert begun <= oldest <= begun + 0.001
