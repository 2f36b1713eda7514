"""The contract of the feed of revocations, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from servicekit.database import Database
from servicekit.reaches import ReachChange
from servicekit.revocations import Revocation
from tests.servers.auth import act
from wharf_auth.database import feed, reaches
from wharf_auth.database.contract import Client, Records, Secret, Tenant

LATER = 2_000_000_000
WRITERS, ACTS = 6, 5


@pytest.fixture
def billing(records: Records) -> Records:
    """Return records with one tenant and one client."""
    records.add_tenant(Tenant("acme", "Acme", 1), act())
    client = Client("c1", "acme", "billing", ("files:read",), 1)
    records.add_client(client, Secret("s1", "h", "h", 1), act())
    return records


def entries(records: Records, after: int = 0) -> tuple[Revocation, ...]:
    return records.feed(after=after, limit=1000).entries


def test_nothing_is_in_the_first_feed(billing: Records) -> None:
    """Creating tenants and clients writes nothing to the feed."""
    found = billing.feed(after=0, limit=10)
    assert (found.entries, found.latest) == ((), 0)


def test_each_act_has_an_entry(billing: Records) -> None:
    """The feed lists suspensions, disabled clients and revoked tokens in order,
    with all their fields.
    """
    billing.suspend("acme", act(at=5))
    billing.disable("acme", "c1", LATER, act(at=6))
    billing.revoke_token("acme", "j1", LATER, act(at=7))
    assert entries(billing) == (
        Revocation(seq=1, kind="tenant", tenant="acme", state="suspended", at=5),
        Revocation(
            seq=2, kind="subject", tenant="acme", id="c1", state="revoked", until=LATER, at=6
        ),
        Revocation(
            seq=3,
            kind="reach",
            tenant="acme",
            id="c1",
            state="changed",
            until=reaches.horizon(6, reaches.LINK_MAX_SECONDS),
            at=6,
            reach=ReachChange(6),
        ),
        Revocation(seq=4, kind="token", tenant="acme", id="j1", state="revoked", until=LATER, at=7),
    )
    assert billing.feed(after=1, limit=1).entries[0].seq == 2
    assert billing.feed(after=4, limit=1) == billing.feed(after=9, limit=1)
    assert billing.feed(after=4, limit=1).latest == 4


def test_the_newest_entry_about_a_thing_is_kept(billing: Records) -> None:
    """A tenant that was suspended and resumed has one entry in the feed, with the newest number."""
    billing.suspend("acme", act())
    billing.revoke_token("acme", "j1", LATER, act())
    billing.resume("acme", act())
    assert [(one.seq, one.kind, one.state) for one in entries(billing)] == [
        (2, "token", "revoked"),
        (3, "tenant", "active"),
    ]


def test_repeated_acts_are_no_news(billing: Records) -> None:
    """An act that changes nothing, for example a second suspension, writes nothing to the feed."""
    billing.resume("acme", act())
    for _ in range(2):
        billing.revoke_token("acme", "j1", LATER, act())
        billing.disable("acme", "c1", LATER, act())
        billing.suspend("acme", act())
    assert billing.feed(after=0, limit=9).latest == 4


def test_revoked_asks_for_token_session_and_subject(billing: Records, database: Database) -> None:
    """A token is revoked if its own tenant revoked its session, its subject, or a token of its
    chain. An id counts only as an id of its own kind.
    """

    def revoked(
        tenant: str = "acme", token: str = "x", session: str = "", subject: str = "x"
    ) -> bool:
        return billing.revoked(tenant, tokens=(token,), session=session, subject=subject)

    assert not revoked(token="j1", session="s1", subject="c1")
    billing.revoke_token("acme", "j1", LATER, act())
    billing.disable("acme", "c1", LATER, act())
    with database.transaction() as connection:
        feed.append(connection, "session", "revoked", tenant="acme", thing="s1", until=LATER, at=1)
        feed.append(connection, "subject", "active", tenant="acme", thing="u1", at=1)
    assert revoked(token="j1")
    assert revoked(session="s1")
    assert revoked(subject="c1")
    assert not revoked(subject="u1")
    assert not revoked(token="c1", session="j1", subject="s1")
    assert not revoked("other", token="j1", session="s1", subject="c1")
    for chain in (("x", "j1"), ("j1", "x", "y")):
        assert billing.revoked("acme", tokens=chain, session="", subject="x")
    assert not billing.revoked("acme", tokens=("x", "s1", "c1"), session="", subject="x")


@pytest.mark.usefixtures("all_tenants")
def test_entries_go_when_their_time_has_passed(billing: Records) -> None:
    """Pruning removes and counts expired entries, and keeps suspensions and the newest number."""
    billing.revoke_token("acme", "j1", 100, act())
    billing.revoke_token("acme", "j2", 200, act())
    billing.suspend("acme", act())
    billing.revoke_token("acme", "j3", 150, act())
    assert billing.prune_feed(100) == 0
    assert billing.prune_feed(150) == 1
    assert [one.id for one in entries(billing)] == ["j2", "", "j3"]
    assert billing.prune_feed(10**9) == 2
    assert [one.kind for one in entries(billing)] == ["tenant"]
    assert billing.feed(after=0, limit=9).latest == 4


def in_threads(database: Database, calls: list[Callable[[], Any]]) -> None:
    """Run the calls at the same time, each with its own connection. Assert that no call fails."""
    barrier, troubles = threading.Barrier(len(calls)), list[BaseException]()

    def run(call: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            call()
        except BaseException as error:  # noqa: BLE001 -- raised in the test's own thread
            troubles.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []


def test_a_follower_misses_nothing_of_writers_at_once(database: Database, billing: Records) -> None:
    """A follower that has read a number has read all smaller numbers, even
    while several writers write.
    """
    seen: list[int] = []
    ids: set[str] = set()
    done = threading.Event()

    def follow() -> None:
        last_round = False
        while True:
            page = billing.feed(after=seen[-1] if seen else 0, limit=7)
            seen.extend(one.seq for one in page.entries)
            ids.update(one.id for one in page.entries)
            if not page.entries and last_round:
                return
            # The follower pauses, because a reader without pauses would slow the writers down.
            last_round = done.wait(0.001)

    def write(writer: int) -> None:
        for number in range(ACTS):
            billing.revoke_token("acme", f"j-{writer}-{number}", LATER, act())

    follower = threading.Thread(target=lambda: in_threads(database, [follow]))
    follower.start()
    try:
        in_threads(database, [lambda writer=writer: write(writer) for writer in range(WRITERS)])  # type: ignore[misc]
    finally:
        done.set()
        follower.join()
    assert seen == list(range(1, WRITERS * ACTS + 1))
    assert len(ids) == WRITERS * ACTS


def test_an_uncommitted_number_holds_the_next_one_back(
    database: Database, records: Records
) -> None:
    """No later number is visible while an earlier number is uncommitted."""
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with database.transaction() as connection:
            feed.append(connection, "token", "revoked", tenant="acme", thing="slow", at=1)
            begun.set()
            assert go_on.wait(10)

    def fast() -> None:
        assert begun.wait(10)
        threading.Timer(0.3, go_on.set).start()
        records.revoke_token("acme", "fast", LATER, act())
        assert [one.id for one in entries(records)] == ["slow", "fast"]

    in_threads(database, [slow, fast])


def test_an_act_that_fails_has_no_entry(database: Database, records: Records) -> None:
    """An act that is rolled back leaves no feed entry, and the next act gets the number
    of the failed act.
    """

    def undone() -> None:
        with database.transaction() as connection:
            feed.append(connection, "token", "revoked", tenant="acme", thing="j1", at=1)
            raise LookupError

    with pytest.raises(LookupError):
        undone()
    assert records.feed(after=0, limit=9).latest == 0
    records.revoke_token("acme", "j2", LATER, act())
    assert [(one.seq, one.id) for one in entries(records)] == [(1, "j2")]
