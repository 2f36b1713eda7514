"""Leases over all replicas: one holder, who can be asked, and whose death frees them."""

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
    """One replica."""
    return LeaseRows(database, "a")


@pytest.fixture
def b(database: Database) -> LeaseRows:
    """Another one."""
    return LeaseRows(database, "b")


def test_one_holder(a: LeaseRows, b: LeaseRows) -> None:
    """Who asks for a held lease does not get it, and its holder sees that it is wanted."""
    assert a.take(NAME) == (1, "")
    assert a.held() == [Held(NAME, 1, wanted=False)]
    assert b.take(NAME) is None
    assert a.held() == [Held(NAME, 1, wanted=True)]
    assert b.held() == []


def test_who_does_not_ask_disturbs_nobody(a: LeaseRows, b: LeaseRows) -> None:
    """A lease can be tried without its holder learning of it."""
    a.take(NAME)
    assert b.take(NAME, ask=False) is None
    assert a.held() == [Held(NAME, 1, wanted=False)]


def test_handed_over(a: LeaseRows, b: LeaseRows) -> None:
    """After a release the next one has it, is told who was there before, and nobody wants it."""
    taken = a.take(NAME)
    assert taken
    b.take(NAME)
    a.release(NAME, taken.turn)
    assert b.take(NAME) == (2, "a")
    assert b.held() == [Held(NAME, 2, wanted=False)]
    assert a.held() == []


def test_taken_again_by_the_same(a: LeaseRows) -> None:
    """Who had it last, and nobody since, is told so."""
    taken = a.take(NAME)
    assert taken
    a.release(NAME, taken.turn)
    assert a.take(NAME) == (2, "a")


def test_an_old_turn_releases_nothing(a: LeaseRows, b: LeaseRows) -> None:
    """A release that comes late ends neither another holder's lease nor a later one's."""
    a.take(NAME)
    a.take(NAME)
    a.release(NAME, 1)
    assert b.take(NAME) is None


def test_of_the_dead(a: LeaseRows, b: LeaseRows, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that nobody renews is over after its time, and its old holder cannot revive it."""
    monkeypatch.setattr(lease_rows, "LEASE_SECONDS", -1.0)
    a.take(NAME)
    monkeypatch.undo()
    assert b.take(NAME) == (2, "a")
    assert a.renew_all() == set()
    assert not a.renew(NAME, 1)
    assert b.renew(NAME, 2)


def test_renewed(a: LeaseRows, b: LeaseRows, monkeypatch: pytest.MonkeyPatch) -> None:
    """All leases of a holder are prolonged at once; those that it gave back are not."""
    monkeypatch.setattr(lease_rows, "LEASE_SECONDS", -1.0)
    for name in ("1", "2", "3"):
        a.take(name)
    a.release("3", 1)
    monkeypatch.undo()
    assert a.renew_all() == {("1", 1), ("2", 1)}
    assert [b.take(name) is None for name in ("1", "2", "3")] == [True, True, False]


def test_how_long(a: LeaseRows, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease ends so many seconds after it was taken or renewed."""
    for seconds in (1e6, 2e6):
        monkeypatch.setattr(lease_rows, "LEASE_SECONDS", seconds)
        if not a.renew(NAME, 1):
            a.take(NAME)
        ((ends,),) = database.reading().rows("SELECT expires_at FROM leases")
        assert abs(ends - now_milliseconds() - 1000 * seconds) < 100_000


def test_of_many_at_once_one_gets_it(database: Database) -> None:
    """Eight replicas that ask at the same moment do not all believe to have it."""
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
    """What ended a day ago is forgotten, what ended today is not."""
    for name in ("old", "young"):
        a.take(name)
        a.release(name, 1)
    database.reading().execute("UPDATE leases SET expires_at = 1 WHERE name = 'old'")
    assert a.forget() == 1
    assert database.reading().rows("SELECT name FROM leases") == [("young",)]
