"""Deletion of tenants in the records, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from servicekit.database import Database
from tests.servers.auth import act
from wharf_auth.database.contract import (
    Client,
    NameTaken,
    NoSuchTenant,
    Records,
    Secret,
    Tenant,
    TenantDeleted,
)
from wharf_auth.database.people_contract import Session, User

ACME = Tenant("acme", "Acme", 1)
CLIENT, SECRET = Client("c1", "acme", "billing", ("files:read",), 1), Secret("s1", "h", "h", 1)
DELETED_AT, PURGE_AT = 1000, 5000


@pytest.fixture
def deleted(records: Records) -> Records:
    """Return records with a tenant that was deleted at 1000 and whose grace period ends at 5000."""
    records.add_tenant(ACME, act())
    records.add_client(CLIENT, SECRET, act())
    records.delete_tenant("acme", PURGE_AT, act(at=DELETED_AT))
    return records


def state(records: Records) -> str:
    tenant = records.tenant("acme")
    assert tenant is not None
    return tenant.state


def newest(records: Records) -> str:
    return records.feed(after=0, limit=100).entries[-1].state


def test_a_deleted_tenant_is_kept_and_refused(deleted: Records) -> None:
    """A deleted tenant is listed as deleted, its clients cannot log in, and the feed reports the
    deletion.
    """
    (listed,) = deleted.tenants(after="a-twin", limit=1)
    assert (listed.deleted_at, listed.purge_at, listed.state) == (DELETED_AT, PURGE_AT, "deleted")
    login = deleted.login("c1")
    assert login is not None
    assert login.tenant_suspended
    assert newest(deleted) == "deleted"


def test_the_first_deletion_counts(deleted: Records) -> None:
    """A second deletion does not prolong the grace period."""
    deleted.delete_tenant("acme", PURGE_AT + 9000, act(at=DELETED_AT + 9))
    shown = deleted.tenant("acme")
    assert shown is not None
    assert (shown.deleted_at, shown.purge_at) == (DELETED_AT, PURGE_AT)
    assert deleted.feed(after=0, limit=9).latest == 1


def test_resume_undoes_deletion_until_the_last_moment(deleted: Records) -> None:
    """Resuming a deleted tenant succeeds before the end of the grace period and is refused
    from its end on.
    """
    with pytest.raises(TenantDeleted, match="acme"):
        deleted.resume("acme", act(at=PURGE_AT))
    assert state(deleted) == "deleted"
    deleted.resume("acme", act(at=PURGE_AT - 1))
    assert deleted.tenant("acme") == ACME
    assert newest(deleted) == "active"
    assert deleted.due_for_purge(PURGE_AT) == []


def test_nothing_else_can_be_done_to_a_deleted_tenant(deleted: Records) -> None:
    """A deleted tenant cannot be suspended or renamed and gets no clients. Its
    name stays in use.
    """
    with pytest.raises(TenantDeleted, match="acme"):
        deleted.suspend("acme", act())
    with pytest.raises(TenantDeleted):
        deleted.rename_tenant("acme", "Other", act())
    with pytest.raises(TenantDeleted):
        deleted.add_client(Client("c2", "acme", "x", (), 1), SECRET, act())
    with pytest.raises(NameTaken):
        deleted.add_tenant(ACME, act())
    assert deleted.feed(after=0, limit=9).latest == 1


def test_purge_is_for_deleted_tenants_whose_time_has_come(deleted: Records) -> None:
    """A purge succeeds only for a deleted tenant after its grace period, and only once."""
    assert deleted.due_for_purge(PURGE_AT - 1) == []
    assert not deleted.purge_tenant("acme", act(at=PURGE_AT - 1))
    assert state(deleted) == "deleted"
    assert deleted.due_for_purge(PURGE_AT) == ["acme"]
    assert deleted.purge_tenant("acme", act(at=PURGE_AT))
    assert deleted.due_for_purge(PURGE_AT + 1) == []
    assert not deleted.purge_tenant("acme", act(at=PURGE_AT + 1))
    deleted.add_tenant(Tenant("other", "Other", 1), act())
    assert not deleted.purge_tenant("other", act(at=PURGE_AT))


def test_purge_leaves_the_name_and_the_audit_log(deleted: Records) -> None:
    """A purge removes clients and secrets, and keeps the name in use and the audit log."""
    deleted.revoke_token("acme", "j1", 99, act())
    deleted.purge_tenant("acme", act("tenants.purge", at=PURGE_AT))
    assert deleted.login("c1") is None
    assert deleted.clients("acme", after="", limit=9) == []
    assert state(deleted) == "purged"
    assert [one.state for one in deleted.feed(after=0, limit=9).entries] == ["purged"]
    with pytest.raises(NameTaken):
        deleted.add_tenant(ACME, act())
    with pytest.raises(TenantDeleted):
        deleted.resume("acme", act(at=PURGE_AT + 1))
    assert deleted.audit(after=0, limit=99)[-1].act.act == "tenants.purge"


def test_a_new_name_for_people_changes_nothing_else(records: Records) -> None:
    """A new display name changes only the display name."""
    records.add_tenant(ACME, act())
    records.rename_tenant("acme", "Äcme 🦊", act())
    assert records.tenant("acme") == Tenant("acme", "Äcme 🦊", 1)
    with pytest.raises(NoSuchTenant):
        records.rename_tenant("absent", "x", act())
    with pytest.raises(NoSuchTenant):
        records.delete_tenant("absent", 1, act())


def test_purge_forgets_people_with_their_sessions(deleted: Records, database: Database) -> None:
    """A purge removes the users, sessions and refresh tokens of the tenant, and those
    of no other tenant.
    """
    deleted.resume("acme", act(at=DELETED_AT + 1))
    deleted.add_tenant(Tenant("other", "Other", 1), act())
    for tenant in ("acme", "other"):
        user = User(f"u-{tenant}", tenant, "ada", "Ada", "owner", 1, 1)
        deleted.add_user(user, "ada", "hash", act())
        session = Session(f"s-{tenant}", user.id, tenant, 1, 1, 10**13, "127.0.0.1", "")
        deleted.add_session(session, f"r-{tenant}", "hash")
    deleted.delete_tenant("acme", PURGE_AT, act(at=DELETED_AT + 2))
    assert deleted.purge_tenant("acme", act(at=PURGE_AT))
    counts = [
        database.reading().rows(f"SELECT COUNT(*) FROM {table}")
        for table in ("users", "sessions", "refresh_tokens")
    ]
    # One row of the other tenant, and one row of each of the two twin tenants.
    assert counts == [[(3,)]] * 3
    assert deleted.user("other", "u-other") is not None
