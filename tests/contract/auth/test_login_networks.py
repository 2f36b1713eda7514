"""Known networks of a person's logins, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servicekit.database import Database
from tests.contract.auth.test_people import ADA, EVE, HASH, SESSION
from tests.servers.auth import act
from wharf_auth.database.contract import Tenant
from wharf_auth.database.login_networks import KNOWN_MILLISECONDS
from wharf_auth.database.sql import SqlRecords

NOW = 1_795_000_000_000
DAY = 24 * 3600 * 1000
HOME = "192.0.2.1"


@pytest.fixture
def records(database: Database) -> SqlRecords:
    records = SqlRecords(database)
    records.add_tenant(Tenant("acme", "Acme", NOW), act())
    records.add_user(ADA, "ada", HASH, act())
    records.add_user(EVE, "eve", HASH, act())
    return records


def log_in(records: SqlRecords, at: int, address: str = HOME, user: str = "u1") -> None:
    name = f"{user}-{at}-{address}"
    session = replace(
        SESSION, id=name, user=user, created_at=at, expires_at=at + 1, address=address
    )
    records.add_session(session, name, HASH)


def known(records: SqlRecords, now: int) -> frozenset[str]:
    return records.login_networks("acme", "ada", now)


def test_a_login_of_another_day_prolongs(records: SqlRecords) -> None:
    """A network is known for 31 days after a login. Only a login more than a day later prolongs
    this time.
    """
    log_in(records, NOW)
    end = NOW + KNOWN_MILLISECONDS
    assert known(records, end - 1) == {HOME}
    assert known(records, end) == frozenset()
    log_in(records, NOW + DAY)
    assert known(records, end) == frozenset()
    log_in(records, NOW + DAY + 1)
    assert known(records, end + DAY) == {HOME}
    assert known(records, end + DAY + 1) == frozenset()


def test_the_newest_networks_are_known(records: SqlRecords) -> None:
    """The records keep the newest 32 networks of a person and forget those that were used longest
    ago.
    """
    log_in(records, NOW - 1, user="u2")
    for number in range(34):
        log_in(records, NOW + number, f"192.0.2.{number}")
    assert known(records, NOW) == {f"192.0.2.{number}" for number in range(2, 34)}
    assert records.login_networks("acme", "eve", NOW) == {HOME}


@pytest.mark.usefixtures("all_tenants")
def test_old_networks_are_pruned(records: SqlRecords) -> None:
    """Pruning removes and counts the networks that are no longer known."""
    log_in(records, NOW)
    log_in(records, NOW + 1, "192.0.2.2")
    assert records.prune_login_networks(NOW + KNOWN_MILLISECONDS) == 0
    assert records.prune_login_networks(NOW + KNOWN_MILLISECONDS + 1) == 1
    assert known(records, NOW) == {"192.0.2.2"}
