"""Tests of how long the leader of a group waits for others before a commit."""

from __future__ import annotations

import threading

from wharf_upload.database.commit_batcher import CommitBatcher

# The patience must not matter: a test that depends on it would block for this long.
FOR_EVER = 600.0


def test_alone_nobody_is_waited_for() -> None:
    """A leader does not wait when no other upload has announced itself."""
    batcher = CommitBatcher(FOR_EVER)
    batcher.wait()
    batcher.announce()
    batcher.arrived()
    batcher.wait()


def test_waits_for_all_that_are_coming() -> None:
    """A leader waits until the last of the announced uploads has arrived."""
    batcher = CommitBatcher(FOR_EVER)
    announced, led = threading.Barrier(3), threading.Event()
    may_come = [threading.Event() for _ in range(2)]

    def member(number: int) -> None:
        batcher.announce()
        announced.wait(60)
        may_come[number].wait(60)
        batcher.arrived()

    members = [threading.Thread(target=member, args=(number,)) for number in range(2)]
    for one in members:
        one.start()
    announced.wait(60)

    def lead() -> None:
        batcher.wait()
        led.set()

    leader = threading.Thread(target=lead)
    leader.start()
    for event in may_come:
        assert not led.wait(0.05)
        event.set()
    assert led.wait(60)
    for one in (*members, leader):
        one.join(60)


def test_not_for_long() -> None:
    """A leader waits for a late upload no longer than its patience. The late upload may arrive
    later.
    """
    batcher = CommitBatcher(0.001)
    announced, may_come, came = (threading.Event() for _ in range(3))

    def late() -> None:
        batcher.announce()
        announced.set()
        may_come.wait(60)
        batcher.arrived()
        came.set()

    other = threading.Thread(target=late)
    other.start()
    assert announced.wait(60)
    batcher.wait()
    may_come.set()
    assert came.wait(60)
    other.join(60)


def test_coming_without_a_leader_is_nothing() -> None:
    """An arrival without a leader or without an announcement has no effect."""
    batcher = CommitBatcher(FOR_EVER)
    batcher.arrived()
    batcher.announce()
    batcher.arrived()
    batcher.arrived()
    batcher.wait()
