"""A purge removes everything of one tenant and leaves every row of other tenants unchanged."""

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
# Tables that belong to no tenant: those of the installation, the audit log, which outlives
# tenants, and login tries, which expire.
KEPT = {"latest", "audit", "wharf_auth_revision", "login_tries"}
Rows = dict[str, list[tuple[Any, ...]]]
# These tests compare the rows of three tenants, so the database has no twins.
pytestmark = pytest.mark.usefixtures("all_tenants")


@pytest.fixture
def filled(database: Database) -> SqlRecords:
    """Return records of three tenants with the same names in every table. One tenant is deleted."""
    records = SqlRecords(database)
    for tenant in (ENDED, *OTHERS):
        fill(records, tenant)
    records.delete_tenant(ENDED, PURGE_AT, act(at=1000))
    return records


def fill(records: SqlRecords, tenant: str) -> None:
    """Add a tenant with clients, people, groups, sessions, and revocations of each kind.

    Ids are unique over all tenants. Names and revoked token ids are the same in each tenant.
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
    """Return all rows by table, without the tables that belong to no tenant."""
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
    """Return the rows that have a column that ends with the name of one of the tenants."""
    return {
        table: [
            row
            for row in all_rows
            if any(isinstance(one, str) and one.endswith(tenants) for one in row)
        ]
        for table, all_rows in found.items()
    }


def told(records: Records, tenant: str) -> list[tuple[object, ...]]:
    """Return the feed entries of a tenant, with their numbers."""
    entries = records.feed(after=0, limit=1000).entries
    return [
        (one.seq, one.kind, one.id, one.state, one.until, one.reach)
        for one in entries
        if one.tenant == tenant
    ]


def test_every_row_belongs_to_a_tenant(filled: SqlRecords, database: Database) -> None:
    """Every table has rows of each tenant, and every row belongs to a tenant."""
    found = rows(database)
    for tenant in (ENDED, *OTHERS):
        assert [table for table, some in of((tenant,), found).items() if not some] == []
    assert of((ENDED, *OTHERS), found) == found


def test_nothing_of_the_others_goes(filled: SqlRecords, database: Database) -> None:
    """A purge leaves every row and feed entry of other tenants unchanged.

    Only the name and one feed entry of the purged tenant stay.
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
    """Tokens, sessions and subjects that other tenants revoked stay revoked after a purge."""
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
    """Deleting a person deletes all the person's rows except the id in the feed.

    The rows of another person with the same name stay.
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
