"""Leases that a process keeps alive: who has one, who hears that it is wanted, what outages do."""

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
    """Seconds that the test sets."""

    now = 0.5

    def __call__(self) -> float:
        """The time."""
        return self.now


class Network:
    """The way to the database, which a test cuts; it counts what the keeper's thread does."""

    def __init__(self, database: Database) -> None:
        self.dialect, self._database = database.dialect, database
        self.away: Exception | None = None
        self.loses_answers = False
        # Called between a commit of the test's own thread and its answer.
        self.before_the_answer: Callable[[], object] = lambda: None
        self.looks = self.changes = 0

    def reading(self) -> Connection:
        """A connection."""
        self._pass()
        self.looks += threading.current_thread().name == KEEPER
        return self._database.reading()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction, whose answer may be lost."""
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
        """Closes what is this thread's."""
        self._database.leave()

    def close(self) -> None:
        """Closes all."""
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
        """The lease, or nothing; `wanted` lists the names that somebody else wants."""
        lease = self.leases.take(name, lambda: self.wanted.append(name), ask=ask)
        if lease is not None:
            self.got.append(lease)
        return lease

    def has(self, name: str = NAME) -> SqlSharedLease:
        """The lease, which is free."""
        lease = self.take(name)
        assert lease is not None
        return lease

    def looks_again(self) -> bool:
        """Wait until the keeper has begun two more looks, so that it has ended one."""
        known = self.network.looks
        return until(lambda: self.network.looks >= known + 2, pause=0.002)

    def ends(self) -> None:
        """Give all back, so that nothing is left for the keeper to do."""
        self.network.away, self.network.loses_answers = None, False
        self.network.before_the_answer = lambda: None
        for lease in self.got:
            lease.release()


@pytest.fixture
def replicas(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Replica]]:
    """Two replicas that look all the time; rows of a lease end when a test says so."""
    monkeypatch.setattr(shared_leases, "POLL_SECONDS", 0.002)
    monkeypatch.setattr(lease_rows, "LEASE_SECONDS", 3600.0)
    found = [Replica(database, "a"), Replica(database, "b")]
    yield found
    for replica in found:
        replica.ends()


@pytest.fixture
def a(replicas: list[Replica]) -> Replica:
    """One replica."""
    return replicas[0]


@pytest.fixture
def b(replicas: list[Replica]) -> Replica:
    """Another one."""
    return replicas[1]


def run_out(database: Database, name: str = NAME) -> None:
    """The time of a lease is over, as far as its row says."""
    with database.transaction() as connection:
        connection.execute("UPDATE leases SET expires_at = 1 WHERE name = ?", (name,))


def overtake(database: Database, by: Replica) -> SqlSharedLease:
    """Another replica has the lease of one that was frozen."""

    def taken() -> bool:
        run_out(database)
        return by.take(ask=False) is not None

    assert until(taken)
    return by.got[-1]


def test_one_has_it(a: Replica, b: Replica) -> None:
    """A lease has one holder, who alone knows of it, until it is given back."""
    lease = a.has()
    assert (lease.name, lease.is_held()) == (NAME, True)
    assert (a.leases.holds(NAME), b.leases.holds(NAME)) == (True, False)
    assert b.take() is None
    assert not b.leases.holds(NAME)
    lease.release()
    assert not a.leases.holds(NAME)
    assert b.has().is_held()


def test_a_process_that_starts_again(database: Database, a: Replica) -> None:
    """A process that was started again under the same name does not hold what it held before."""
    a.has()
    again = Replica(database, "a")
    assert again.take(ask=False) is None
    assert [one.leases.holder.partition("/")[0] for one in (a, again)] == ["a", "a"]


def test_who_had_it_last(a: Replica, b: Replica) -> None:
    """A holder learns whether another process may have had the lease since its own last turn."""
    assert a.has().was_elsewhere
    a.leases.release(a.got[-1])
    again = a.has()
    assert (again.turn, again.was_elsewhere) == (2, False)
    again.release()
    b.has().release()
    assert a.has().was_elsewhere


def test_an_old_release(a: Replica, b: Replica) -> None:
    """A lease that is given back twice ends once: a later one of the name stays."""
    first = a.has()
    first.release()
    second = a.has()
    first.release()
    assert b.take(ask=False) is None
    assert second.is_held()


def test_the_holder_hears_that_it_is_wanted(a: Replica, b: Replica) -> None:
    """Who wants a lease is heard by its holder, once; of another lease nothing is heard."""
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
    """A holder whose time ran out, and whom another one followed, hears it and knows it."""
    lease = a.has()
    other = overtake(database, b)
    assert until(lambda: a.wanted == [NAME])
    assert not lease.is_held()
    assert (other.turn, other.is_held(), other.was_elsewhere) == (2, True, True)
    lease.release()
    assert other.is_held()


def test_its_own_next_turn(database: Database, a: Replica) -> None:
    """A lease that its holder has taken anew, after its time, is not the old one's."""
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
    """Without the database a lease is certain for six seconds from before it was asked for."""

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
        # The question is as good as an answer to the keeper.
        a.network.away = None
        assert lease.is_held()


def test_kept_alive(database: Database, a: Replica) -> None:
    """What a process holds is renewed each two seconds, and certain for six from then on."""
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
    """After an outage, and after an error that nobody thought of, a holder hears and renews."""
    lease = a.has()
    assert a.looks_again()
    a.network.away = error
    a.clock.now += 3
    assert b.take() is None
    a.network.away = None
    assert until(lambda: a.wanted == [NAME])
    assert until(lambda: lease.valid_until == a.clock.now + 6)


def test_a_release_that_was_lost(a: Replica, b: Replica) -> None:
    """A lease that could not be given back is given back later, and no other one."""
    a.has(OTHER)
    lease = a.has()
    a.network.away = DatabaseUnavailable()
    lease.release()
    assert b.take(ask=False) is None
    a.network.away = None
    assert until(lambda: b.take(ask=False) is not None)
    assert b.take(OTHER, ask=False) is None


def test_an_answer_that_was_lost(a: Replica, b: Replica) -> None:
    """A lease that was got, without its taker hearing of it, is given back."""
    a.has(OTHER)
    a.network.loses_answers = True
    with pytest.raises(DatabaseUnavailable):
        a.take()
    assert until(lambda: b.take(ask=False) is not None)


def test_an_answer_that_comes_late(database: Database, a: Replica) -> None:
    """A lease is not given back while its taker waits for the answer."""
    a.has(OTHER)
    a.network.before_the_answer = a.looks_again
    assert a.has().is_held()
    assert database.reading().rows("SELECT held FROM leases WHERE name = ?", (NAME,)) == [(1,)]


def test_one_keeper(a: Replica) -> None:
    """One thread keeps all leases, from the first one on, and does not hold its process back."""

    def keepers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == KEEPER]

    before = keepers()
    a.has().release()
    a.has(OTHER)
    a.has()
    (keeper,) = set(keepers()) - set(before)
    assert keeper.daemon


def test_the_keeper_rests(a: Replica, b: Replica) -> None:
    """Who holds nothing does not ask the database, and keeps the next lease all the same."""
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
    """The rows of leases that ended long ago are dropped, and counted."""
    a.has().release()
    a.has(OTHER)
    run_out(database)
    assert a.leases.forget_old() == 1
    assert database.reading().rows("SELECT name FROM leases") == [(OTHER,)]
