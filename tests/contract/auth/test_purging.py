"""A purge takes everything of one tenant, and leaves every row of all others as it was."""

from __future__ import annotations

from typing import Any

import pytest

from servicekit.database import Database
from servicekit.grants import CompactGrant
from tests.servers.auth import act
from wharf_auth.database.contract import Client, Records, Secret, Tenant
from wharf_auth.database.groups_contract import Group
from wharf_auth.database.people_contract import Ending, Session, User
from wharf_auth.database.sql import SqlRecords

ENDED, OTHERS = "acme", ("another", "zebra")
FAR, PURGE_AT = 10**13, 5000
GRANTS = (CompactGrant("photos", "in/", "rw"),)
# Of the installation; the audit log, which outlives tenants; and tries of secrets, which are of
# no tenant and end by themselves.
KEPT = {"latest", "audit", "wharf_auth_revision", "login_tries"}
Rows = dict[str, list[tuple[Any, ...]]]
# They compare the rows of three tenants by themselves.
pytestmark = pytest.mark.usefixtures("all_tenants")


@pytest.fixture
def filled(database: Database) -> SqlRecords:
    """Three tenants with the same names of everything in every table; one of them is deleted."""
    records = SqlRecords(database)
    for tenant in (ENDED, *OTHERS):
        fill(records, tenant)
    records.delete_tenant(ENDED, PURGE_AT, act(at=1000))
    return records


def fill(records: SqlRecords, tenant: str) -> None:
    """A tenant with clients, people, groups, sessions, and revocations of each kind.

    Ids are unique over all tenants, names and what is revoked are not.
    """
    records.add_tenant(Tenant(tenant, "Same", 1), act())
    for name in ("client", "disabled"):
        client = Client(f"{name}-{tenant}", tenant, "same", ("files:read",), 1, None, GRANTS, 1)
        records.add_client(client, Secret(f"{name}-secret-{tenant}", "h", "h", 1), act())
    user = User(f"user-{tenant}", tenant, "ada", "Ada", "owner", 1, 1)
    records.add_user(user, "ada", "hash", act())
    for name in ("open", "ended"):
        session = Session(f"{name}-{tenant}", user.id, tenant, 1, 1, FAR, "127.0.0.1", "")
        records.add_session(session, f"{name}-refresh-{tenant}", "hash")
    group = Group(f"group-{tenant}", tenant, "same", ("files:read",), GRANTS, 1)
    records.add_group(group, "same", act())
    members = {user.id: act(), f"client-{tenant}": act()}
    records.change_members(tenant, group.id, add=members, remove={})
    records.disable(tenant, f"disabled-{tenant}", FAR, act())
    records.end_session(user.id, f"ended-{tenant}", Ending(2, FAR))
    records.revoke_token(tenant, "same token", FAR, act(), with_derived=True)
    records.suspend(tenant, act(at=3))


def rows(database: Database) -> Rows:
    """All rows by table, but for those of the installation."""
    connection = database.reading()
    names = (
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        if database.dialect == "sqlite"
        else "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    return {
        table: sorted(connection.rows(f"SELECT * FROM {table}"), key=repr)
        for (table,) in connection.rows(names)
        if table not in KEPT
    }


def of(tenants: tuple[str, ...], found: Rows) -> Rows:
    """The rows that belong to tenants: one of their columns says so, or an id."""
    return {
        table: [
            row
            for row in all_rows
            if any(isinstance(one, str) and one.endswith(tenants) for one in row)
        ]
        for table, all_rows in found.items()
    }


def told(records: Records, tenant: str) -> list[tuple[object, ...]]:
    """What the feed says of a tenant, with the numbers."""
    entries = records.feed(after=0, limit=1000).entries
    return [
        (one.seq, one.kind, one.id, one.state, one.until, one.reach)
        for one in entries
        if one.tenant == tenant
    ]


def test_every_row_belongs_to_a_tenant(filled: SqlRecords, database: Database) -> None:
    """The tables have rows of each tenant: what this file says is said of all of them."""
    found = rows(database)
    for tenant in (ENDED, *OTHERS):
        assert [table for table, some in of((tenant,), found).items() if not some] == []
    assert of((ENDED, *OTHERS), found) == found


def test_nothing_of_the_others_goes(filled: SqlRecords, database: Database) -> None:
    """Every row of the others is what it was, revocations with their numbers among them; of the
    one that ended its name is left, and the one entry that says so.
    """
    before = of(OTHERS, rows(database))
    said = [told(filled, tenant) for tenant in OTHERS]
    assert filled.purge_tenant(ENDED, act(at=PURGE_AT))
    assert of(OTHERS, rows(database)) == before
    assert [told(filled, tenant) for tenant in OTHERS] == said
    left = {table: len(some) for table, some in of((ENDED,), rows(database)).items() if some}
    assert left == {"tenants": 1, "revocations": 1}
    assert [entry[3] for entry in told(filled, ENDED)] == ["purged"]


def test_revoked_tokens_of_others_stay_revoked(filled: SqlRecords) -> None:
    """What auth itself asks of a token is answered as before, for the same ids in each tenant."""
    filled.purge_tenant(ENDED, act(at=PURGE_AT))
    for tenant in OTHERS:
        revoked = {
            "token": filled.revoked(tenant, tokens=("same token",), session="", subject=""),
            "session": filled.revoked(
                tenant, tokens=("none",), session=f"ended-{tenant}", subject=""
            ),
            "subject": filled.revoked(
                tenant, tokens=("none",), session="", subject=f"disabled-{tenant}"
            ),
        }
        assert revoked == {"token": True, "session": True, "subject": True}
    assert not filled.revoked(ENDED, tokens=("same token",), session="", subject="")


def test_a_deleted_person_leaves_no_row(filled: SqlRecords, database: Database) -> None:
    """Sessions, tokens, networks and memberships go with a person, and nothing of a namesake; the
    feed alone still knows its id.
    """
    kinds = ("user", "open", "ended", "open-refresh", "ended-refresh")
    person = tuple(f"{kind}-another" for kind in kinds)
    others = (ENDED, "zebra")
    before = rows(database)
    personal = {table for table, some in of(person, before).items() if some}
    assert personal >= {"users", "sessions", "refresh_tokens", "login_networks", "group_members"}
    filled.delete_user("another", "user-another", FAR, act())
    after = rows(database)
    assert [table for table, some in of(person, after).items() if some] == ["revocations"]
    assert of(others, after) == of(others, before)
