"""Rows of leases over all replicas: one holder, requests for a held lease, and expiry."""

from __future__ import annotations

import threading

import pytest

from servicekit.database import Database
from wharf_upload.database import lease_rows
from wharf_upload.database.lease_rows import Held, LeaseRows
from wharf_upload.domain.clock import now_milliseconds

NAME = "upload:a"


@pytest.fixture
def a(database: Database) -> LeaseRows:
    """Return the leases of one replica."""
    return LeaseRows(database, "a")


@pytest.fixture
def b(database: Database) -> LeaseRows:
    """Return the leases of another replica."""
    return LeaseRows(database, "b")


def test_one_holder(a: LeaseRows, b: LeaseRows) -> None:
    """A held lease is refused to another replica, and its holder learns that
    another replica wants it.
    """
    assert a.take(NAME) == (1, "")
    assert a.held() == [Held(NAME, 1, wanted=False)]
    assert b.take(NAME) is None
    assert a.held() == [Held(NAME, 1, wanted=True)]
    assert b.held() == []


def test_who_does_not_ask_disturbs_nobody(a: LeaseRows, b: LeaseRows) -> None:
    """A replica can try to take a lease without notifying its holder."""
    a.take(NAME)
    assert b.take(NAME, ask=False) is None
    assert a.held() == [Held(NAME, 1, wanted=False)]


def test_handed_over(a: LeaseRows, b: LeaseRows) -> None:
    """After a release, the next holder gets the lease and the name of the last holder.

    The requests for the lease are forgotten.
    """
    taken = a.take(NAME)
    assert taken
    b.take(NAME)
    a.release(NAME, taken.turn)
    assert b.take(NAME) == (2, "a")
    assert b.held() == [Held(NAME, 2, wanted=False)]
    assert a.held() == []


def test_taken_again_by_the_same(a: LeaseRows) -> None:
    """A replica that takes a lease again learns that it was the last holder."""
    taken = a.take(NAME)
    assert taken
    a.release(NAME, taken.turn)
    assert a.take(NAME) == (2, "a")


def test_an_old_turn_releases_nothing(a: LeaseRows, b: LeaseRows) -> None:
    """A late release of an earlier lease does not end the current lease of this name."""
    a.take(NAME)
    a.take(NAME)
    a.release(NAME, 1)
    assert b.take(NAME) is None


def test_of_the_dead(a: LeaseRows, b: LeaseRows, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that is not renewed ends after its time, and its holder can no longer renew it."""
    monkeypatch.setattr(lease_rows, "LEASE_SECONDS", -1.0)
    a.take(NAME)
    monkeypatch.undo()
    assert b.take(NAME) == (2, "a")
    assert a.renew_all() == set()
    assert not a.renew(NAME, 1)
    assert b.renew(NAME, 2)


def test_renewed(a: LeaseRows, b: LeaseRows, monkeypatch: pytest.MonkeyPatch) -> None:
    """`renew_all` prolongs all leases of a holder, except released ones."""
    monkeypatch.setattr(lease_rows, "LEASE_SECONDS", -1.0)
    for name in ("1", "2", "3"):
        a.take(name)
    a.release("3", 1)
    monkeypatch.undo()
    assert a.renew_all() == {("1", 1), ("2", 1)}
    assert [b.take(name) is None for name in ("1", "2", "3")] == [True, True, False]


def test_how_long(a: LeaseRows, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease ends `LEASE_SECONDS` after it was taken or renewed."""
    for seconds in (1e6, 2e6):
        monkeypatch.setattr(lease_rows, "LEASE_SECONDS", seconds)
        if not a.renew(NAME, 1):
            a.take(NAME)
        ((ends,),) = database.reading().rows("SELECT expires_at FROM leases")
        assert abs(ends - now_milliseconds() - 1000 * seconds) < 100_000


def test_of_many_at_once_one_gets_it(database: Database) -> None:
    """If eight replicas take a lease at the same moment, exactly one gets it."""
    got: list[str] = []
    barrier = threading.Barrier(8)

    def ask(name: str) -> None:
        rows = LeaseRows(database, name)
        barrier.wait(60)
        if rows.take(NAME) is not None:
            got.append(name)
        database.close()

    threads = [threading.Thread(target=ask, args=(f"replica-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(got) == 1


def test_old_rows_go(a: LeaseRows, database: Database) -> None:
    """`forget` drops leases that ended more than a day ago and keeps those that ended today."""
    for name in ("old", "young"):
        a.take(name)
        a.release(name, 1)
    database.reading().execute("UPDATE leases SET expires_at = 1 WHERE name = 'old'")
    assert a.forget() == 1
    assert database.reading().rows("SELECT name FROM leases") == [("young",)]
