"""Housekeeping of auth: which rows it removes, tested before and after the end of each period."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from servicekit.database import DatabaseUnavailable
from tests.servers.auth import AuthService, act
from wharf_auth import bootstrap
from wharf_auth.accounts.housekeeping import Housekeeping
from wharf_auth.database.contract import Tenant
from wharf_auth.database.people_contract import Session, User
from wharf_auth.database.tries_contract import Failures, Pair

DAY, HOUR = 86_400, 3600


@pytest.fixture
def housekeeping(auth: AuthService) -> Housekeeping:
    """Return the housekeeping as the service composes it."""
    context = bootstrap.app_context(auth.settings, records=auth.records, clock=auth.clock)
    return context.housekeeping


def test_five_seconds(auth: AuthService) -> None:
    """Housekeeping runs at most every five seconds, and immediately after the clock is set back."""
    done: list[float] = []
    begun = auth.clock.now
    own = Housekeeping(auth.records, auth.clock, lambda: done.append(auth.clock.now - begun))
    for _ in range(12):
        own.run()
        auth.clock.now += 1
    assert done == [0, 5, 10]
    auth.clock.now = begun - 1000
    own.run()
    assert done == [0, 5, 10, -1000]


def test_a_failure_is_told_once(auth: AuthService, caplog: pytest.LogCaptureFixture) -> None:
    """A failure is logged when it begins, when its error changes, and when it begins again."""
    failures = ["away", "away", "", "away", "full", "full"]

    def fail() -> None:
        if reason := failures.pop(0):
            raise DatabaseUnavailable(reason)

    own = Housekeeping(auth.records, auth.clock, fail)
    for _ in range(6):
        own.run()
        auth.clock.now += 5
    assert failures == []
    assert [record.getMessage().rpartition(" ")[2] for record in caplog.records] == [
        "away",
        "away",
        "full",
    ]


def told(auth: AuthService) -> set[str]:
    """Return the ids of all entries in the feed, or the tenant of an entry without an id."""
    return {one.id or one.tenant for one in auth.records.feed(after=0, limit=99).entries}


def test_a_revocation_is_told_until_its_time(auth: AuthService, housekeeping: Housekeeping) -> None:
    """The feed keeps a token's revocation until its expiry, and a suspension permanently."""
    begun = int(auth.clock.now)
    auth.records.revoke_token("demo", "soon", begun + 100, act())
    auth.records.revoke_token("demo", "later", begun + 10_000, act())
    auth.records.suspend("demo", act())
    for seconds, heard in (
        (0, {"soon", "later", "demo"}),
        (99, {"soon", "later", "demo"}),
        (106, {"later", "demo"}),
        (20_000, {"demo"}),
    ):
        auth.clock.now = begun + seconds
        housekeeping.run()
        assert (seconds, told(auth)) == (seconds, heard)


def test_audit_lines_of_400_days(auth: AuthService, housekeeping: Housekeeping) -> None:
    """An audit line is removed within a minute after 400 days, even when no line is written."""
    begun = auth.clock.now
    written = int((begun - 400 * DAY + 30) * 1000)
    auth.records.note(act("old", at=written))
    auth.records.note(act("younger", at=written + 1000 * HOUR))

    def acts() -> list[str]:
        lines = auth.records.audit(after=0, limit=999)
        return [line.act.act for line in lines if line.act.act in ("old", "younger")]

    for seconds, kept in (
        (0, ["old", "younger"]),
        # The line has expired, but the log was checked less than a minute ago.
        (40, ["old", "younger"]),
        (61, ["younger"]),
        (HOUR + 20, ["younger"]),
        (HOUR + 100, []),
    ):
        auth.clock.now = begun + seconds
        housekeeping.run()
        assert (seconds, acts()) == (seconds, kept)


def rows(auth: AuthService) -> tuple[int, int]:
    """Return the number of counted login tries and of known networks."""
    with closing(sqlite3.connect(auth.settings.tries_file)) as tries:
        (counted,) = tries.execute("SELECT count(*) FROM login_tries").fetchone()
    with closing(sqlite3.connect(auth.settings.data / "auth" / "auth.db")) as database:
        (known,) = database.execute("SELECT count(*) FROM login_networks").fetchone()
    return counted, known


def test_tries_after_a_clock_was_set_back(auth: AuthService, housekeeping: Housekeeping) -> None:
    """Housekeeping removes expired login tries immediately after the clock was set back."""
    begun = auth.clock.now
    tries = bootstrap.login_tries(auth.settings, bootstrap.database(auth.settings))
    housekeeping.run()
    auth.clock.now = begun - DAY
    tries.count(Pair("ada", "192.0.2.1"), int((begun - 2 * DAY) * 1000), lambda _: None)
    assert rows(auth)[0] == 1
    housekeeping.run()
    assert rows(auth)[0] == 0


def test_tries_and_networks(auth: AuthService, housekeeping: Housekeeping) -> None:
    """Every 10 minutes housekeeping removes tries after 4 hours and networks after 31 days."""
    begun = auth.clock.now
    at = int(begun * 1000)
    auth.records.add_tenant(Tenant("acme", "Acme", at), act())
    auth.records.add_user(User("u1", "acme", "ada", "Ada", "owner", at, at), "ada", "h", act())
    session = Session("s1", "u1", "acme", at, at, at + 10**10, "192.0.2.1", "")
    auth.records.add_session(session, "refresh", "h")
    tries = bootstrap.login_tries(auth.settings, bootstrap.database(auth.settings))
    assert tries.count(Pair("ada", "192.0.2.1"), at, lambda _: None) == Failures()
    for seconds, left in (
        (0, (1, 1)),
        (4 * HOUR - 1, (1, 1)),
        # The last check was less than ten minutes ago.
        (4 * HOUR + 500, (1, 1)),
        (4 * HOUR + 600, (0, 1)),
        (31 * DAY - 1, (0, 1)),
        (31 * DAY + 600, (0, 0)),
    ):
        auth.clock.now = begun + seconds
        housekeeping.run()
        assert (seconds, rows(auth)) == (seconds, left)
