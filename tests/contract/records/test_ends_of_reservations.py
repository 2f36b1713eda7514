"""Ends of reservations: exact to the millisecond and the byte, and separate from each other."""

from __future__ import annotations

import pytest

from tests.contract.records.test_reservations import MIB, Clock, New, clock, needs, new, seen
from wharf_upload.database import reservations
from wharf_upload.domain.reservation import LAPSES_MILLISECONDS, Reserved

__all__ = ["clock", "new"]


def test_what_it_needs_is_reserved(new: New) -> None:
    """A reservation contains all that a body needs, for the body's tenant and ticket.

    The end of the reservation releases all of it.
    """
    one = new()
    mine = one.reserve("demo", "t", needs(5 * MIB, inodes=7, files=3))
    other = one.reserve("demo", "t", needs(MIB, inodes=2, files=2))
    assert seen(one, "demo", "t") == Reserved(
        bodies=2,
        disk_bytes=12 * MIB,
        inodes=9,
        own_disk_bytes=12 * MIB,
        quota_bytes=6 * MIB,
        files=5,
        ticket_quota_bytes=6 * MIB,
        ticket_files=5,
        ticket_bodies=2,
    )
    assert one.end([other.id]) == 1
    assert seen(one, "demo", "t") == Reserved(
        bodies=1,
        disk_bytes=10 * MIB,
        inodes=7,
        own_disk_bytes=10 * MIB,
        quota_bytes=5 * MIB,
        files=3,
        ticket_quota_bytes=5 * MIB,
        ticket_files=3,
        ticket_bodies=1,
    )
    assert one.end([mine.id]) == 1
    assert seen(one, "demo", "t") == Reserved()


def test_tickets_over_disks(new: New) -> None:
    """The reservations of a tenant and of a ticket are summed over all disks."""
    one, other = new("a", "a"), new("b", "b")
    one.reserve("demo", "t", needs(5 * MIB, files=3))
    other.reserve("demo", "t", needs(MIB, files=2))
    found = seen(one, "demo", "t")
    assert (found.quota_bytes, found.files) == (6 * MIB, 5)
    assert (found.ticket_quota_bytes, found.ticket_files, found.ticket_bodies) == (6 * MIB, 5, 2)
    assert (found.bodies, found.disk_bytes, found.own_disk_bytes) == (1, 10 * MIB, 10 * MIB)
    found = seen(other, "demo", "t")
    assert (found.bodies, found.disk_bytes, found.own_disk_bytes) == (1, 2 * MIB, 2 * MIB)


def test_written_on_a_disk(new: New) -> None:
    """Written bytes and files are summed over the gateways of one disk, without
    those of other disks.
    """
    one, beside, apart = new("a", "x"), new("b", "x"), new("c", "y")
    for number, gateway in enumerate((one, beside, apart), 1):
        gateway.note_written(0, 0)
        gateway.reserve("demo", "", needs(10 * MIB, inodes=20))
        gateway.note_written(number * MIB, number)
    found = [
        (gateway.reserved().written_bytes, gateway.reserved().written_inodes)
        for gateway in (one, beside, apart)
    ]
    assert found == [(3 * MIB, 3), (3 * MIB, 3), (3 * MIB, 3)]
    assert (apart.reserved().disk_bytes, apart.reserved().inodes) == (20 * MIB, 20)
    one.note_written(7 * MIB, 9)
    assert beside.reserved().written_bytes == 9 * MIB
    assert apart.reserved().written_bytes == 3 * MIB


def test_more_ended_than_was_written(new: New) -> None:
    """A body that ends before its bytes were measured does not hide what
    other bodies still need.
    """
    one = new()
    one.note_written(0, 0)
    first = one.reserve("demo", "", needs(inodes=3))
    one.reserve("demo", "", needs(inodes=3))
    one.note_written(MIB, 1)
    one.end([first.id])
    found = one.reserved()
    assert (found.written_bytes, found.written_inodes) == (0, 0)
    assert (found.outstanding_bytes, found.outstanding_inodes) == (2 * MIB, 3)
    one.note_written(MIB, 1)
    found = one.reserved()
    assert (found.written_bytes, found.written_inodes) == (0, 0)


@pytest.mark.parametrize("instance", ["a", "b", "c", "native", "10.0.0.1:8089"])
def test_the_oldest_of_each(new: New, clock: Clock, instance: str) -> None:
    """The admission time of the oldest body is exact to the microsecond, even for streams."""
    one = new(instance)
    clock.now += 0.25
    begun = clock.stop()
    one.reserve("demo", "", needs(), streamed=True)
    assert one.oldest() == begun
    clock.now += 1
    one.reserve("demo", "", needs())
    assert one.oldest() == begun
    assert one.clear(streamed=True) == 1
    assert one.oldest() == begun + 1


@pytest.mark.parametrize("size", [0, MIB // 2, 7 * MIB])
def test_lapses_on_time(new: New, clock: Clock, size: int) -> None:
    """A reservation ends after one hour, and one second later for each full MiB of disk space that
    it reserves.
    """
    one = new()
    begun = clock.stop()
    made = one.reserve("demo", "", needs(size))
    assert made.until == int(begun * 1000) + LAPSES_MILLISECONDS + 1000 * (2 * size // MIB)
    clock.now = (made.until - 1) / 1000
    assert one.lapse() == 0
    clock.now = made.until / 1000
    assert one.lapse() == 1
    assert one.lapse() == 0
    assert seen(one) == Reserved()


def test_lost_on_time(new: New, clock: Clock) -> None:
    """A gateway counts as lost ten minutes after its last measurement of written bytes became
    invalid.

    The measurement is valid for five seconds, so the gateway is lost after 605 seconds.
    """
    lost, living = new("lost"), new("living")
    begun = clock.stop()
    lost.note_written(0, 0)
    lost.reserve("demo", "", needs())
    clock.now = begun + 605
    assert living.lapse() == 0
    clock.now = begun + 605.001
    assert living.lapse() == 1


def test_young_bodies_of_the_lost(new: New, clock: Clock) -> None:
    """A body that was admitted after the last measurement of a lost gateway expires ten minutes
    after its admission.
    """
    lost, living = new("lost"), new("living")
    begun = clock.stop()
    lost.note_written(0, 0)
    clock.now = begun + 10
    lost.reserve("demo", "", needs())
    clock.now = begun + 610
    assert living.lapse() == 0
    clock.now = begun + 610.001
    assert living.lapse() == 1


def test_a_look_counts_for_five_seconds(new: New, clock: Clock) -> None:
    """A measurement of written bytes is valid for five seconds."""
    one = new()
    begun = clock.stop()
    one.note_written(0, 0)
    one.reserve("demo", "", needs())
    one.note_written(MIB, 1)
    clock.now = begun + 4.999
    assert (seen(one).written_bytes, one.reserved().written_bytes) == (MIB, MIB)
    clock.now = begun + 5
    assert (seen(one).written_bytes, one.reserved().written_bytes) == (0, 0)


def test_cleared_before_a_time(new: New, clock: Clock) -> None:
    """`clear` ends the gateway's bodies that were admitted before the given time.

    A body that was admitted exactly at this time stays.
    """
    one = new()
    begun = clock.stop()
    one.reserve("demo", "", needs())
    clock.now = begun + 1
    one.reserve("demo", "", needs(), streamed=True)
    assert one.clear(streamed=False, before=begun) == 0
    assert one.clear(streamed=False, before=begun + 0.001) == 1
    assert one.clear(streamed=True, before=begun + 1) == 0
    assert one.clear(streamed=True, before=begun + 1.001) == 1


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 8])
def test_ends_by_portions(new: New, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """All given reservations end and are counted, for every batch size, and
    no other reservation ends.
    """
    monkeypatch.setattr(reservations, "_AT_ONCE", at_once)
    one = new()
    kept = one.reserve("demo", "", needs())
    ids = [one.reserve(f"t{number % 3}", "", needs()).id for number in range(7)]
    assert one.end(ids) == 7
    assert one.reserved().bodies == 1
    assert one.end([kept.id]) == 1


@pytest.mark.parametrize("strange", ["²", "\N{ARABIC-INDIC DIGIT THREE}", "-1", "9" * 5000, " 1"])
def test_ids_that_are_none(new: New, strange: str) -> None:
    """An id that no reservation can have ends nothing, and the other
    given reservations still end.
    """
    one = new()
    made = one.reserve("demo", "", needs())
    assert one.end([strange, made.id]) == 1
    assert one.reserved() == Reserved()
