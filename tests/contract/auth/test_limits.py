"""The limits of a tenant in the records, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from servicekit.database import Database, open_database
from servicekit.database.migrating import upgrade
from servicekit.grants import CompactGrant
from tests.servers.auth import MIGRATIONS, act
from wharf_auth.database.contract import Client, Records, Secret, Tenant
from wharf_auth.database.groups_contract import ClientChange, Group, GroupChange, UserRights
from wharf_auth.database.people_contract import Ending, RefreshUnknown, Session, User
from wharf_auth.database.sql import SqlRecords
from wharf_auth.domain.limits import LimitReached, TenantLimits

NOW = 1_795_000_000_000
FAR = NOW + 1_000_000
ADA = User("u1", "acme", "ada", "Ada", "editor", NOW, NOW)
SECRET = Secret("s1", "h", "h", NOW)
OWN = (CompactGrant("photos", "in/", "rw"),)
OWN_BYTES = len('[["photos","in/","rw"]]')
LimitedRecords = Callable[..., SqlRecords]


@pytest.fixture
def limited(database: Database) -> LimitedRecords:
    """Return a function that makes records with given limits and two tenants."""

    def make(**limits: int) -> SqlRecords:
        records = SqlRecords(database, limits=TenantLimits(**limits))
        for name in ("acme", "other"):
            records.add_tenant(Tenant(name, name, NOW), act())
        return records

    return make


def add_client(records: Records, number: int, tenant: str = "acme") -> str:
    """Add a client with an id of the usual length and return the id."""
    identifier = f"{tenant}{number}".rjust(32, "0")
    client = Client(identifier, tenant, "x", ("files:read",), NOW)
    records.add_client(client, replace(SECRET, id=f"s-{identifier}"), act())
    return identifier


def add_user(records: Records, number: int, tenant: str = "acme") -> None:
    user = replace(ADA, id=f"u-{tenant}-{number}", tenant=tenant, username=f"p{number}")
    records.add_user(user, f"p{number}", "hash", act())


def log_in(records: Records, name: str, at: int = NOW, user: str = "u1") -> None:
    """Add a session that begins at the given time. The session's refresh token is `t-` and the
    session's name.
    """
    session = Session(name, user, "acme", at, at, FAR, "127.0.0.1", "Browser")
    records.add_session(session, f"t-{name}", "hash")


OF_ACME = {
    "client_secrets": "client IN (SELECT id FROM clients WHERE tenant = 'acme')",
    "clients": "tenant = 'acme'",
    "refresh_tokens": "session IN (SELECT id FROM sessions WHERE tenant = 'acme')",
    "sessions": "tenant = 'acme'",
}


def count(database: Database, table: str) -> int:
    """Return the number of rows of `acme` in a table."""
    ((found,),) = database.reading().rows(f"SELECT COUNT(*) FROM {table} WHERE {OF_ACME[table]}")
    return int(found)


def test_a_tenant_has_so_many_clients(limited: LimitedRecords) -> None:
    """A client above the limit is refused and changes nothing.

    Disabled clients and clients of other tenants do not count.
    """
    records = limited(clients=2)
    first, _ = add_client(records, 1), add_client(records, 2)
    add_client(records, 1, "other")
    with pytest.raises(LimitReached) as refused:
        add_client(records, 3)
    assert (refused.value.limited, refused.value.most) == ("clients", 2)
    assert len(records.clients("acme", after="", limit=9)) == 2
    records.disable("acme", first, FAR, act())
    add_client(records, 3)


def test_disabled_clients_are_forgotten(limited: LimitedRecords, database: Database) -> None:
    """The records keep as many disabled clients as the limit of clients, and forget those that
    were disabled first, with their secrets.

    A client with a fixed id stays, because the next start would make it again.
    """
    records = limited(clients=2)
    demo = Client("wharf-demo", "acme", "Demo", ("files:read",), NOW)
    records.add_client(demo, SECRET, act())
    records.disable("acme", "wharf-demo", FAR, act(at=1))
    made = []
    for number in range(4):
        made.append(add_client(records, number))
        records.disable("acme", made[-1], FAR, act(at=2 + number))
    found = [one.id for one in records.clients("acme", after="", limit=9)]
    assert found == [*made[2:], "wharf-demo"]
    assert count(database, "client_secrets") == 3


def test_retired_secrets_are_forgotten(limited: LimitedRecords, database: Database) -> None:
    """The records keep the last 20 retired secrets of a client and forget older ones."""
    records = limited()
    client = add_client(records, 1)
    for number in range(22):
        records.add_secret("acme", client, replace(SECRET, id=f"r{number}"), act())
        records.retire_secret("acme", client, f"r{number}", act(at=number))
    assert count(database, "client_secrets") == 21
    login = records.login(client)
    assert login is not None
    assert len(login.secrets) == 1


def test_a_tenant_has_so_many_users(limited: LimitedRecords, database: Database) -> None:
    """A user above the limit is refused, even if users are added at the same time.

    Deleted users and users of other tenants do not count.
    """
    records = limited(users=3)
    add_user(records, 1, "other")
    outcomes = []

    def add(number: int) -> None:
        try:
            add_user(records, number)
            outcomes.append("added")
        except LimitReached:
            outcomes.append("refused")
        finally:
            database.close()

    threads = [threading.Thread(target=add, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["added"] * 3 + ["refused"] * 2
    with pytest.raises(LimitReached) as refused:
        add_user(records, 8)
    assert (refused.value.limited, refused.value.most) == ("users", 3)
    (some, *_) = records.users("acme", after="", limit=9)
    records.delete_user("acme", some.id, FAR, act())
    add_user(records, 9)


def test_the_session_that_was_used_longest_ago_ends(limited: LimitedRecords) -> None:
    """A login above the limit of sessions succeeds.

    The session that was used longest ago ends, and the feed reports this end.
    """
    records = limited(sessions=3)
    records.add_user(ADA, "ada", "hash", act())
    records.add_user(replace(ADA, id="u2", username="eve"), "eve", "hash", act())
    log_in(records, "e1", NOW, "u2")
    for number in (1, 2, 3):
        log_in(records, f"s{number}", NOW + number)
    ending = Ending(NOW + 9, 1)
    records.rotate("t-s1", "t-s1-b", idle_since=NOW - 1, ending=ending)
    assert records.feed(after=0, limit=9).entries == ()
    log_in(records, "s4", NOW + 10)
    (entry,) = records.feed(after=0, limit=9).entries
    assert (entry.kind, entry.id, entry.state) == ("session", "s2", "revoked")
    with pytest.raises(RefreshUnknown):
        records.rotate("t-s2", "x", idle_since=NOW - 1, ending=ending)
    left = records.sessions("u1", now=NOW + 11, idle_since=0, after="", limit=9)
    assert [one.id for one in left] == ["s1", "s3", "s4"]


def test_sessions_that_are_over_do_not_pile_up(
    limited: LimitedRecords, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers of stored sessions and refresh tokens stay small when a person logs in again and
    again.
    """
    monkeypatch.setattr("wharf_auth.database.sessions._OVER_KEPT", 2)
    records = limited(sessions=2)
    records.add_user(ADA, "ada", "hash", act())
    for number in range(9):
        log_in(records, f"s{number}", NOW + number)
    assert count(database, "sessions") <= 5
    assert count(database, "refresh_tokens") <= 5


def test_lists_of_grants_have_so_many_bytes(limited: LimitedRecords) -> None:
    """The lists of grants of a tenant count together against its limit, in the form of the feed. A
    refused change changes nothing, and shorter lists leave bytes for a longer list.
    """
    records = limited(grant_bytes=3 * OWN_BYTES + 4)
    client = add_client(records, 1)
    records.change_client("acme", client, ClientChange(grants=OWN), act())
    records.add_user(replace(ADA, grants=OWN), "ada", "hash", act())
    group = Group("g1", "acme", "Team", (), OWN, NOW, NOW)
    records.add_group(group, "team", act())
    named = (CompactGrant("photos", "{username}/", "rw"),)
    changes: tuple[Callable[[], None], ...] = (
        lambda: records.change_client("acme", client, ClientChange(grants=OWN + OWN), act()),
        lambda: records.change_group("acme", "g1", GroupChange(grants=OWN + OWN), act()),
        lambda: records.set_rights("acme", "u1", UserRights(grants=OWN + OWN), 1, act()),
        lambda: records.add_group(replace(group, id="g2"), "two", act()),
        lambda: records.add_user(
            replace(ADA, id="u2", username="x" * 50, grants=named), "x", "hash", act()
        ),
    )
    for change in changes:
        with pytest.raises(LimitReached) as refused:
            change()
        assert (refused.value.limited, refused.value.most) == ("grant bytes", 3 * OWN_BYTES + 4)
    assert records.client("acme", client) == replace(
        Client(client, "acme", "x", ("files:read",), NOW, grants=OWN), reach_version=1
    )
    records.add_group(replace(group, id="g9", tenant="other"), "team", act())
    records.set_rights("acme", "u1", UserRights(grants=()), 1, act())
    records.change_group("acme", "g1", GroupChange(grants=()), act())
    records.change_client("acme", client, ClientChange(grants=None), act())
    records.change_group("acme", "g1", GroupChange(grants=OWN + OWN), act())


def test_a_shorter_list_is_taken_above_the_limit(database: Database) -> None:
    """A tenant above the limit may shorten a list of grants, but may not lengthen it."""
    SqlRecords(database).add_tenant(Tenant("acme", "Acme", NOW), act())
    user = replace(ADA, grants=OWN + OWN)
    SqlRecords(database).add_user(user, "ada", "hash", act())
    records = SqlRecords(database, limits=TenantLimits(grant_bytes=1))
    records.set_rights("acme", "u1", UserRights(grants=OWN), 1, act())
    with pytest.raises(LimitReached):
        records.set_rights("acme", "u1", UserRights(grants=OWN + OWN), 1, act())


@pytest.mark.usefixtures("all_tenants")
def test_what_fills_the_feed_is_refused_and_what_ends_is_not(limited: LimitedRecords) -> None:
    """A tenant whose share of the feed is full can still disable and delete.

    Until entries expire, this tenant can create no object that may need an entry,
    and revoke no token.
    """
    records = limited(revocations=2)
    records.add_user(ADA, "ada", "hash", act())
    client = add_client(records, 1)
    for token in ("j1", "j2"):
        records.revoke_token("acme", token, 100, act())
    records.revoke_token("acme", "j2", 100, act())
    refused: tuple[Callable[[], object], ...] = (
        lambda: records.revoke_token("acme", "j3", 100, act()),
        lambda: log_in(records, "s1"),
        lambda: add_user(records, 2),
        lambda: add_client(records, 2),
        lambda: records.add_group(Group("g1", "acme", "x", (), (), NOW, NOW), "x", act()),
    )
    for making in refused:
        with pytest.raises(LimitReached) as reached:
            making()
        assert (reached.value.limited, reached.value.most) == ("revocations", 2)
    records.revoke_token("other", "j1", 100, act())
    records.disable("acme", client, 100, act())
    records.end_sessions("acme", "u1", 100, act())
    records.delete_user("acme", "u1", 100, act())
    records.prune_feed(2_000_000_000)
    records.revoke_token("acme", "j3", 3_000_000_000, act())


def test_old_lines_of_the_audit_log_go(limited: LimitedRecords) -> None:
    """Pruning removes audit lines that are older than a given time, and the numbers continue."""
    records = limited()
    for at in (1, 2, 3, 4):
        records.note(act(str(at), at=at))
    assert records.prune_audit(after=0, older_than=3) == 6
    assert [line.act.act for line in records.audit(after=0, limit=9)] == ["3", "4"]
    records.note(act("5", at=5))
    assert records.audit(after=6, limit=9)[0].seq == 7


def test_a_tenant_has_so_many_lines(
    limited: LimitedRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pruning removes a tenant's oldest audit lines above the limit, a few in each transaction. A
    call runs only a few transactions, and the next call continues.
    """
    monkeypatch.setattr("wharf_auth.database.audit._REMOVED_AT_ONCE", 2)
    monkeypatch.setattr("wharf_auth.database.audit._TRANSACTIONS", 2)
    records = limited(audit_lines=3)
    for number in range(8):
        records.note(act(str(number), tenant="other"))
    records.note(act("mine"))
    begun = records.prune_audit(after=1, older_than=0)
    assert begun == 1
    assert records.prune_audit(after=begun, older_than=0) > 1
    kept = records.audit(after=0, limit=99, tenant="other")
    assert [line.act.act for line in kept] == ["5", "6", "7"]
    assert records.audit(after=0, limit=99, tenant="acme")[-1].act.act == "mine"


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_lists_of_before_are_counted(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Lists of grants that a release without limits has written count after the migration."""
    url = f"sqlite:///{tmp_path}/old.db"
    if engine == "postgresql":
        url = str(request.getfixturevalue("new_postgres_url"))
    before = tmp_path / "before"
    shutil.copytree(MIGRATIONS, before, ignore=shutil.ignore_patterns("000[5-9]_*", "__pycache__"))
    upgrade(url, before)
    database = open_database(url, durable=False)
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO tenants (name, display_name, created_at) VALUES ('acme', 'Acme', 1)"
        )
        connection.execute(
            "INSERT INTO clients (id, tenant, name, scopes, created_at, grants) "
            "VALUES ('c1', 'acme', 'x', 'files:read', 1, ?)",
            ('[["photos","字/","rw"]]',),
        )
    upgrade(url, MIGRATIONS)
    try:
        ((counted,),) = database.reading().rows("SELECT grant_bytes FROM clients")
        assert counted == len('[["photos","字/","rw"]]'.encode())
    finally:
        database.close()
