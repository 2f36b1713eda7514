"""Leases that a process keeps alive: holders, requests for a held lease, and outages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from servicekit.database import Connection, Database, DatabaseUnavailable
from tests.servers.wharf.raw_http import until
from wharf_upload.database import lease_rows, shared_leases
from wharf_upload.database.shared_leases import SqlSharedLease, SqlSharedLeases

NAME, OTHER = "upload:a", "upload:b"
KEEPER = "lease-keeper"


class Clock:
    """A clock in seconds that the test sets."""

    now = 0.5

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class Network:
    """A connection to the database that a test can cut. It counts what the keeper's thread does."""

    def __init__(self, database: Database) -> None:
        self.dialect, self._database = database.dialect, database
        self.away: Exception | None = None
        self.loses_answers = False
        # Called between the commit of the test's own thread and its response.
        self.before_the_answer: Callable[[], object] = lambda: None
        self.looks = self.changes = 0

    def reading(self) -> Connection:
        """Return a connection."""
        self._pass()
        self.looks += threading.current_thread().name == KEEPER
        return self._database.reading()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a transaction whose response may be lost."""
        self._pass()
        keeper = threading.current_thread().name == KEEPER
        self.changes += keeper
        with self._database.transaction() as connection:
            yield connection
        if not keeper:
            self.before_the_answer()
            if self.loses_answers:
                raise DatabaseUnavailable

    def leave(self) -> None:
        """Close the connection of this thread."""
        self._database.leave()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def _pass(self) -> None:
        if self.away is not None:
            raise self.away


class Replica:
    """One process with its leases."""

    def __init__(self, database: Database, name: str) -> None:
        self.clock, self.network = Clock(), Network(database)
        self.leases = SqlSharedLeases(self.network, name, clock=self.clock)
        self.wanted: list[str] = []
        self.got: list[SqlSharedLease] = []

    def take(self, name: str = NAME, *, ask: bool = True) -> SqlSharedLease | None:
        """Take the lease if it is free. `wanted` collects the names of leases
        that another replica requests.
        """
        lease = self.leases.take(name, lambda: self.wanted.append(name), ask=ask)
        if lease is not None:
            self.got.append(lease)
        return lease

    def has(self, name: str = NAME) -> SqlSharedLease:
        """Take a lease, which must be free, and return it."""
        lease = self.take(name)
        assert lease is not None
        return lease

    def looks_again(self) -> bool:
        """Wait until the keeper has begun two more rounds, so that one complete round has ended."""
        known = self.network.looks
        return until(lambda: self.network.looks >= known + 2, pause=0.002)

    def ends(self) -> None:
        """Release all leases, so that the keeper has no work left."""
        self.network.away, self.network.loses_answers = None, False
        self.network.before_the_answer = lambda: None
        for lease in self.got:
            lease.release()


@pytest.fixture
def replicas(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Replica]]:
    """Yield two replicas that poll all the time. A lease expires only when a
    test lets it expire.
    """
    monkeypatch.setattr(shared_leases, "POLL_SECONDS", 0.002)
    monkeypatch.setattr(lease_rows, "LEASE_SECONDS", 3600.0)
    found = [Replica(database, "a"), Replica(database, "b")]
    yield found
    for replica in found:
        replica.ends()


@pytest.fixture
def a(replicas: list[Replica]) -> Replica:
    """Return one replica."""
    return replicas[0]


@pytest.fixture
def b(replicas: list[Replica]) -> Replica:
    """Return another replica."""
    return replicas[1]


def run_out(database: Database, name: str = NAME) -> None:
    """Let the lease expire in its row."""
    with database.transaction() as connection:
        connection.execute("UPDATE leases SET expires_at = 1 WHERE name = ?", (name,))


def overtake(database: Database, by: Replica) -> SqlSharedLease:
    """Let another replica take the lease of a holder that was frozen, and return the other
    replica's lease.
    """

    def taken() -> bool:
        run_out(database)
        return by.take(ask=False) is not None

    assert until(taken)
    return by.got[-1]


def test_one_has_it(a: Replica, b: Replica) -> None:
    """A lease has one holder until its release. Until then no other process holds the lease."""
    lease = a.has()
    assert (lease.name, lease.is_held()) == (NAME, True)
    assert (a.leases.holds(NAME), b.leases.holds(NAME)) == (True, False)
    assert b.take() is None
    assert not b.leases.holds(NAME)
    lease.release()
    assert not a.leases.holds(NAME)
    assert b.has().is_held()


def test_a_process_that_starts_again(database: Database, a: Replica) -> None:
    """A process that starts again under the same name does not hold its earlier leases."""
    a.has()
    again = Replica(database, "a")
    assert again.take(ask=False) is None
    assert [one.leases.holder.partition("/")[0] for one in (a, again)] == ["a", "a"]


def test_who_had_it_last(a: Replica, b: Replica) -> None:
    """A holder learns whether another process may have had the lease since the
    holder had it last.
    """
    assert a.has().was_elsewhere
    a.leases.release(a.got[-1])
    again = a.has()
    assert (again.turn, again.was_elsewhere) == (2, False)
    again.release()
    b.has().release()
    assert a.has().was_elsewhere


def test_an_old_release(a: Replica, b: Replica) -> None:
    """A second release of a lease has no effect: a later lease of this name stays."""
    first = a.has()
    first.release()
    second = a.has()
    first.release()
    assert b.take(ask=False) is None
    assert second.is_held()


def test_the_holder_hears_that_it_is_wanted(a: Replica, b: Replica) -> None:
    """A holder is notified once when another replica wants its lease, and is not
    notified of other leases.
    """
    a.has(OTHER)
    a.has()
    assert b.take(ask=False) is None
    assert a.looks_again()
    assert a.wanted == []
    assert b.take() is None
    assert until(lambda: a.wanted == [NAME])
    assert a.looks_again()
    assert a.wanted == [NAME]


def test_a_lease_that_was_lost(database: Database, a: Replica, b: Replica) -> None:
    """A holder is notified when its lease has expired and another process has taken it. The holder
    no longer has the lease.
    """
    lease = a.has()
    other = overtake(database, b)
    assert until(lambda: a.wanted == [NAME])
    assert not lease.is_held()
    assert (other.turn, other.is_held(), other.was_elsewhere) == (2, True, True)
    lease.release()
    assert other.is_held()


def test_its_own_next_turn(database: Database, a: Replica) -> None:
    """When a holder takes a lease again, its earlier lease of this name does not count as held."""
    old = a.has()
    assert a.looks_again()
    new = a.has()
    assert (old.turn, new.turn) == (1, 2)
    a.clock.now += 7
    assert (old.is_held(), new.is_held()) == (False, True)
    old.release()
    assert a.leases.holds(NAME)
    assert database.reading().rows("SELECT held FROM leases") == [(1,)]


def test_certain_for_six_seconds(a: Replica) -> None:
    """Without the database, a holder can rely on a lease for six seconds from the beginning of its
    last successful request.
    """

    def cut() -> None:
        a.network.away = DatabaseUnavailable()
        a.clock.now += 0.5

    a.network.before_the_answer = cut
    lease = a.has()
    for _ in range(2):
        a.clock.now += 5.25
        assert lease.is_held()
        a.clock.now += 0.25
        with pytest.raises(DatabaseUnavailable):
            lease.is_held()
        # `is_held` renews the lease as the keeper does.
        a.network.away = None
        assert lease.is_held()


def test_kept_alive(database: Database, a: Replica) -> None:
    """The keeper renews all leases of a process every two seconds. A holder can rely on
    each for six seconds.
    """
    lease, other = a.has(), a.has(OTHER)
    assert a.looks_again()
    renewals = a.network.changes
    a.clock.now += 1.75
    run_out(database)
    assert a.looks_again()
    assert a.network.changes == renewals
    a.clock.now += 0.25
    assert until(lambda: a.network.changes > renewals)
    assert a.looks_again()
    assert a.network.changes == renewals + 1
    assert [one.valid_until for one in (lease, other)] == [a.clock.now + 6] * 2
    assert database.reading().row("SELECT count(*) FROM leases WHERE expires_at > 1") == (2,)
    a.clock.now += 2
    assert until(lambda: a.network.changes == renewals + 2)


@pytest.mark.parametrize("error", [DatabaseUnavailable(), RuntimeError("a fault of ours")])
def test_the_keeper_goes_on(a: Replica, b: Replica, error: Exception) -> None:
    """After an outage or an unexpected error the keeper continues to notify holders
    and to renew leases.
    """
    lease = a.has()
    assert a.looks_again()
    a.network.away = error
    a.clock.now += 3
    assert b.take() is None
    a.network.away = None
    assert until(lambda: a.wanted == [NAME])
    assert until(lambda: lease.valid_until == a.clock.now + 6)


def test_a_release_that_was_lost(a: Replica, b: Replica) -> None:
    """If the release of a lease fails, the keeper repeats it later. The keeper
    releases no other lease.
    """
    a.has(OTHER)
    lease = a.has()
    a.network.away = DatabaseUnavailable()
    lease.release()
    assert b.take(ask=False) is None
    a.network.away = None
    assert until(lambda: b.take(ask=False) is not None)
    assert b.take(OTHER, ask=False) is None


def test_an_answer_that_was_lost(a: Replica, b: Replica) -> None:
    """If the database's response to a process that takes a lease is lost, the
    keeper releases the lease.
    """
    a.has(OTHER)
    a.network.loses_answers = True
    with pytest.raises(DatabaseUnavailable):
        a.take()
    assert until(lambda: b.take(ask=False) is not None)


def test_an_answer_that_comes_late(database: Database, a: Replica) -> None:
    """The keeper does not release a lease while the process that takes it still
    waits for the response.
    """
    a.has(OTHER)
    a.network.before_the_answer = a.looks_again
    assert a.has().is_held()
    assert database.reading().rows("SELECT held FROM leases WHERE name = ?", (NAME,)) == [(1,)]


def test_one_keeper(a: Replica) -> None:
    """One daemon thread keeps all leases."""

    def keepers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == KEEPER]

    before = keepers()
    a.has().release()
    a.has(OTHER)
    a.has()
    (keeper,) = set(keepers()) - set(before)
    assert keeper.daemon


def test_the_keeper_rests(a: Replica, b: Replica) -> None:
    """The keeper does not query the database while the process holds no lease.

    When the process takes a lease again, the keeper works again.
    """
    a.has().release()
    known = -1

    def rests() -> bool:
        nonlocal known
        before, known = known, a.network.looks
        return before == known

    assert until(rests, pause=0.05)
    a.has()
    assert b.take() is None
    assert until(lambda: a.wanted == [NAME])


def test_old_rows(database: Database, a: Replica) -> None:
    """The rows of leases that ended long ago are dropped and counted."""
    a.has().release()
    a.has(OTHER)
    run_out(database)
    assert a.leases.forget_old() == 1
    assert database.reading().rows("SELECT name FROM leases") == [(OTHER,)]
