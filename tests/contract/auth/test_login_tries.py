"""Storage of login tries, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from servicekit.database import Database, open_database
from servicekit.database.migrating import upgrade
from servicekit.networks import network_of, site_of
from tests.servers.auth import MIGRATIONS
from wharf_auth.database.login_networks import KNOWN_MILLISECONDS
from wharf_auth.database.login_tries import SqlLoginTries
from wharf_auth.database.sql import SqlRecords
from wharf_auth.database.tries_contract import Crowding, Failures, NetworkCrowded, Pair
from wharf_auth.domain.login_delays import FORGOTTEN_AFTER_MILLISECONDS

ADA = Pair("ada", "192.0.2.1")
NOW = 1_795_000_000_000
New = Callable[[], SqlLoginTries]


@pytest.fixture
def new(database: Database, tmp_path: Path) -> New:
    """Return a function that makes another `SqlLoginTries`, as each process has one."""
    own = database.dialect == "sqlite"

    def make() -> SqlLoginTries:
        used = (
            open_database(f"sqlite:///{tmp_path / 'tries.db'}", durable=False) if own else database
        )
        return SqlLoginTries(used, makes_table=own)

    return make


class Refused(Exception):
    """The error of the judges in these tests. A judge is a function that accepts
    or refuses a try.
    """


def anybody(_: Failures) -> None:
    """Accept every try."""


def at_most(number: int) -> Callable[[Failures], None]:
    """Return a judge that accepts a try if its pair has fewer failures than `number`."""

    def judge(failures: Failures) -> None:
        if failures.number >= number:
            raise Refused

    return judge


def failures(tries: SqlLoginTries, pair: Pair = ADA, now: int = NOW) -> Failures:
    """Return the failures that the next try sees, without counting a try."""
    seen: list[Failures] = []

    def look(found: Failures) -> None:
        seen.append(found)
        raise Refused

    with pytest.raises(Refused):
        tries.count(pair, now, look)
    return seen[0]


def test_failures_of_a_pair(new: New) -> None:
    """All processes count the failures of an account in a network together, and separately from
    those of other accounts and networks.
    """
    one, other = new(), new()
    assert one.count(ADA, NOW, anybody) == Failures()
    assert other.count(ADA, NOW + 5, anybody) == Failures(1, NOW)
    assert failures(one) == failures(one) == Failures(2, NOW + 5)
    for pair in (Pair("eve", ADA.network), Pair(ADA.account, "192.0.2.2")):
        assert failures(one, pair) == Failures()
    one.forget(ADA)
    assert failures(other) == Failures()


def test_a_try_is_taken_back(new: New) -> None:
    """Taking a try back restores the earlier state, except that the time of a later try stays."""
    tries = new()
    before = tries.count(ADA, NOW, anybody)
    tries.take_back(ADA, NOW, before)
    assert failures(tries) == Failures()
    tries.count(ADA, NOW, anybody)
    before = tries.count(ADA, NOW + 1, anybody)
    tries.take_back(ADA, NOW + 1, before)
    assert failures(tries) == Failures(1, NOW)
    before = tries.count(ADA, NOW + 2, anybody)
    tries.count(ADA, NOW + 3, anybody)
    tries.take_back(ADA, NOW + 2, before)
    assert failures(tries) == Failures(2, NOW + 3)
    # After a success the pair has no failures, so taking a try back changes nothing.
    tries.forget(ADA)
    tries.take_back(ADA, NOW + 3, before)
    assert failures(tries) == Failures()


def test_failures_are_forgotten(new: New) -> None:
    """After a time without tries the count starts again, even if the row was not removed."""
    tries, quiet = new(), FORGOTTEN_AFTER_MILLISECONDS
    tries.count(ADA, NOW, anybody)
    assert failures(tries, now=NOW + quiet).number == 1
    assert failures(tries, now=NOW + quiet + 1).number == 0
    assert tries.count(ADA, NOW + quiet + 1, anybody) == Failures()
    tries.count(Pair("eve", "192.0.2.1"), NOW, anybody)
    assert tries.prune(NOW + 1, 10) == 1
    assert failures(tries, now=NOW + quiet + 1).number == 1


def test_tries_at_the_same_time(new: New) -> None:
    """If many tries of an account in a network run at the same time, as many
    pass as are allowed.
    """
    passed: list[int] = []
    begun = threading.Barrier(8)
    every = [new() for _ in range(8)]

    def come(tries: SqlLoginTries) -> None:
        begun.wait()
        for _ in range(3):
            try:
                tries.count(ADA, NOW, at_most(5))
            except Refused:
                continue
            passed.append(1)

    threads = [threading.Thread(target=come, args=(tries,)) for tries in every]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 5


def test_many_accounts_of_a_network(new: New) -> None:
    """A network in which too many accounts failed lately accepts tries of no further account.

    Other networks accept tries of this account.
    """
    tries, limit = new(), Crowding(accounts=2, since=NOW - 100)
    tries.count(Pair("old", ADA.network), NOW - 200, anybody, limit)
    for at, name in ((-50, "one"), (-20, "two")):
        tries.count(Pair(name, ADA.network), NOW + at, anybody, limit)
    with pytest.raises(NetworkCrowded, match=f"since {NOW - 50}") as crowded:
        tries.count(ADA, NOW, anybody, limit)
    assert crowded.value.first_at == NOW - 50
    assert failures(tries) == Failures()
    # Accounts that have failed before, other networks, and tries without this limit are accepted.
    assert tries.count(Pair("one", ADA.network), NOW, anybody, limit).number == 1
    assert tries.count(Pair("ada", "192.0.2.2"), NOW, anybody, limit).number == 0
    assert tries.count(ADA, NOW, anybody).number == 0


def test_the_networks_of_an_account(new: New) -> None:
    """The records count the networks from which an account failed lately, up
    to the requested number.
    """
    tries = new()
    for number in range(5):
        tries.count(Pair("ada", f"192.0.2.{number}"), NOW + number, anybody)
    tries.count(Pair("eve", "192.0.2.9"), NOW, anybody)
    assert tries.networks_of("ada", NOW, 9) == 4
    assert tries.networks_of("ada", NOW, 3) == 3


def test_a_site_is_no_further_network(new: New) -> None:
    """The count of an account's networks has each IPv6 network once, and no site."""
    tries = new()
    for number in range(4):
        network = network_of(f"2001:db8:{number // 2}:{number}::1")
        for at in (network, site_of(network) or ""):
            tries.count(Pair("ada", at), NOW + 1, anybody)
    tries.count(ADA, NOW + 1, anybody)
    assert tries.networks_of("ada", NOW, 20) == 5
    assert tries.networks_of("ada", NOW, 4) == 4


def test_made_up_names_push_no_waiting_pair_out(new: New) -> None:
    """Pruning above the limit removes the pairs with the fewest failures, the oldest first."""
    tries = new()
    for _ in range(3):
        tries.count(ADA, NOW, anybody)
    for number in range(40):
        tries.count(Pair(f"made-up-{number:02}", "192.0.2.9"), NOW + 1 + number, anybody)
    assert tries.prune(0, 20) == 22
    assert failures(tries).number == 3
    kept = [failures(tries, Pair(f"made-up-{number:02}", "192.0.2.9")) for number in range(40)]
    assert [one.number for one in kept] == [0] * 22 + [1] * 18
    assert tries.prune(0, 20) == 0
    tries.count(Pair("one-more", "192.0.2.9"), NOW, anybody)
    assert tries.prune(0, 20) == 0
    assert tries.prune(0, 19) == 1


def test_much_is_pruned_in_parts(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pruning removes few pairs in each step, until all expired or excess pairs
    are removed and counted.
    """
    monkeypatch.setattr("wharf_auth.database.login_tries._READ_AT_ONCE", 4)
    monkeypatch.setattr("wharf_auth.database.login_tries._REMOVED_AT_ONCE", 2)
    tries = new()
    for number in range(14):
        tries.count(Pair(f"name-{number:02}", ADA.network), NOW + number, anybody)
    assert tries.prune(NOW + 7, 10) == 7
    assert failures(tries, Pair("name-06", ADA.network)).number == 0
    assert failures(tries, Pair("name-07", ADA.network)).number == 1
    assert tries.prune(0, 2) == 5
    kept = [failures(tries, Pair(f"name-{number:02}", ADA.network)).number for number in range(14)]
    assert kept == [0] * 12 + [1] * 2


def test_networks_of_sessions_are_known(
    request: pytest.FixtureRequest, tmp_path: Path, database: Database
) -> None:
    """After the migration the networks of a person's existing sessions are known."""
    url = f"sqlite:///{tmp_path}/older.db"
    if database.dialect == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    before = tmp_path / "before"
    shutil.copytree(MIGRATIONS, before, ignore=shutil.ignore_patterns("0006_*", "__pycache__"))
    upgrade(url, before)
    older = open_database(url)
    with older.transaction() as connection:
        connection.execute(
            "INSERT INTO tenants (name, display_name, created_at) VALUES ('t', 't', 1)"
        )
        connection.execute(
            "INSERT INTO users (id, tenant, username, folded, display_name, role, password_hash, "
            "created_at, password_changed_at) VALUES ('u', 't', 'ada', 'ada', 'Ada', 'editor', "
            "'x', 1, 1)"
        )
        for number, (address, used_at) in enumerate(
            (("192.0.2.1", 10), ("2001:db8::1", 20), ("2001:db8::2", 30), ("2001:db8::3", 5))
        ):
            connection.execute(
                "INSERT INTO sessions (id, user_id, tenant, created_at, used_at, expires_at, "
                "address, user_agent) VALUES (?, 'u', 't', 1, ?, 99, ?, '')",
                (f"s{number}", used_at, address),
            )
    older.close()
    upgrade(url, MIGRATIONS)
    newer = open_database(url)
    records = SqlRecords(newer)
    rows = newer.reading().rows("SELECT network, used_at FROM login_networks ORDER BY used_at")
    assert rows == [("192.0.2.1", 10), ("2001:db8::", 30)]
    assert records.login_networks("t", "ada", 9 + KNOWN_MILLISECONDS) == {
        "192.0.2.1",
        "2001:db8::",
    }
    assert records.login_networks("t", "ada", 10 + KNOWN_MILLISECONDS) == {"2001:db8::"}
    assert not records.login_networks("t", "eve", 1)
    assert records.prune_login_networks(20 + KNOWN_MILLISECONDS) == 1
    newer.close()
