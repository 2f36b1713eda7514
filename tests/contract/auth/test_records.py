"""The contract of the auth records, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from servicekit.database import Database, DatabaseUnavailable
from servicekit.database.migrating import upgrade
from tests.servers.auth import MIGRATIONS, act
from wharf_auth.database.contract import (
    Client,
    NameTaken,
    NoSuchClient,
    NoSuchTenant,
    Records,
    Secret,
    Tenant,
    TooManySecrets,
)

ACME = Tenant("acme", "Acme 日本 🦊", 1_795_000_000_123)
BILLING = Client("c1", "acme", "billing", ("files:read", "files:write"), 1_795_000_000_456)
SECRET = Secret("s1", "abcd", "$argon2id$…", 1_795_000_000_789)


@pytest.fixture
def billing(records: Records) -> Records:
    """Return records with one tenant and one client."""
    records.add_tenant(ACME, act())
    records.add_client(BILLING, SECRET, act())
    return records


def test_tenant_comes_back_as_it_was(records: Records) -> None:
    """Text and times of a tenant are read exactly as they were written."""
    records.add_tenant(ACME, act())
    assert records.tenant("acme") == ACME
    assert records.tenant("absent") is None


def test_name_is_taken_once(records: Records) -> None:
    """Adding a second tenant with the same name is refused and changes nothing."""
    records.add_tenant(ACME, act())
    with pytest.raises(NameTaken, match="acme"):
        records.add_tenant(Tenant("acme", "Other", 1), act())
    assert records.tenant("acme") == ACME


@pytest.mark.usefixtures("all_tenants")
def test_tenants_are_in_byte_order(records: Records) -> None:
    """Each engine lists tenants in byte order, so a cursor has the same meaning on each engine."""
    names = ["a-a", "a0a", "aa-", "aaa", "ab0", "b-b", "zzz"]
    for name in reversed(names):
        records.add_tenant(Tenant(name, name, 1), act())
    assert [one.name for one in records.tenants(after="", limit=100)] == sorted(names)
    found, after = [], ""
    while page := records.tenants(after=after, limit=2):
        assert len(page) <= 2
        found += [one.name for one in page]
        after = found[-1]
    assert found == sorted(names)


def test_suspension_keeps_its_first_moment(records: Records) -> None:
    """A second suspension keeps the time of the first suspension. Resuming the
    tenant removes the time.
    """
    records.add_tenant(ACME, act())
    records.suspend("acme", act(at=5))
    records.suspend("acme", act(at=9))
    shown = records.tenant("acme")
    assert shown is not None
    assert shown.suspended_at == 5
    records.resume("acme", act())
    records.resume("acme", act())
    assert records.tenant("acme") == ACME


def test_absent_tenants_cannot_be_changed(records: Records) -> None:
    """A call that names an absent tenant fails, and the error names the tenant."""
    for call in (
        lambda: records.suspend("absent", act()),
        lambda: records.resume("absent", act()),
        lambda: records.clients("absent", after="", limit=1),
        lambda: records.add_client(replace(BILLING, tenant="absent"), SECRET, act()),
    ):
        with pytest.raises(NoSuchTenant, match=r"^absent$"):
            call()


def test_login_has_client_secrets_and_tenant(billing: Records) -> None:
    """One read returns the client, its secrets and the tenant's state."""
    login = billing.login("c1")
    assert login is not None
    assert (login.client, login.secrets, login.tenant_suspended) == (BILLING, (SECRET,), False)
    billing.suspend("acme", act())
    login = billing.login("c1")
    assert login is not None
    assert login.tenant_suspended
    assert billing.login("absent") is None


def test_client_id_is_taken_once(billing: Records) -> None:
    """Adding a client with an id in use is refused, changes nothing and adds no secret."""
    with pytest.raises(NameTaken, match="c1"):
        billing.add_client(BILLING, Secret("s2", "x", "y", 1), act())
    login = billing.login("c1")
    assert login is not None
    assert [one.id for one in login.secrets] == ["s1"]


def test_failed_client_leaves_nothing(billing: Records) -> None:
    """A client and its secret are added together or not at all."""
    with pytest.raises(NameTaken):
        billing.add_client(Client("c2", "acme", "x", ("files:read",), 1), SECRET, act())
    assert billing.login("c2") is None


def test_clients_are_those_of_the_tenant(billing: Records) -> None:
    """Clients are listed in pages in the order of their ids, without clients of other tenants."""
    billing.add_tenant(Tenant("other", "Other", 1), act())
    for number in range(2, 6):
        client = Client(f"c{number}", "acme", "x", ("files:read",), number)
        billing.add_client(client, Secret(f"t{number}", "h", "h", 1), act())
    billing.add_client(
        Client("c9", "other", "x", ("files:read",), 1), Secret("t9", "h", "h", 1), act()
    )
    assert [one.id for one in billing.clients("acme", after="c2", limit=2)] == ["c3", "c4"]
    assert [one.id for one in billing.clients("acme", after="c4", limit=9)] == ["c5"]
    assert billing.clients("other", after="", limit=9)[0].tenant == "other"


def test_disabling_keeps_its_first_moment(billing: Records) -> None:
    """A disabled client stays readable with the time of the first disabling."""
    billing.disable("acme", "c1", 9, act(at=5))
    billing.disable("acme", "c1", 9, act(at=9))
    assert [one.disabled_at for one in billing.clients("acme", after="", limit=1)] == [5]


def test_clients_of_other_tenants_cannot_be_changed(billing: Records) -> None:
    """A change of a client that the named tenant does not have is refused and changes nothing."""
    billing.add_tenant(Tenant("other", "Other", 1), act())
    for client, call in (
        ("c1", lambda: billing.disable("other", "c1", 9, act())),
        ("c1", lambda: billing.add_secret("other", "c1", Secret("s2", "h", "h", 1), act())),
        ("c1", lambda: billing.retire_secret("other", "c1", "s1", act())),
        ("absent", lambda: billing.disable("acme", "absent", 9, act())),
    ):
        with pytest.raises(NoSuchClient, match=client):
            call()
    login = billing.login("c1")
    assert login is not None
    assert login.client.disabled_at is None
    assert login.secrets == (SECRET,)


def test_two_secrets_live_and_not_three(billing: Records) -> None:
    """A client's third secret is refused until one is retired. Logins do
    not use retired secrets.
    """
    second = Secret("s2", "efgh", "h", 2)
    billing.add_secret("acme", "c1", second, act())
    with pytest.raises(TooManySecrets, match="c1"):
        billing.add_secret("acme", "c1", Secret("s3", "h", "h", 3), act())
    assert billing.retire_secret("acme", "c1", "s1", act())
    assert not billing.retire_secret("acme", "c1", "s1", act())
    assert not billing.retire_secret("acme", "c1", "absent", act())
    login = billing.login("c1")
    assert login is not None
    assert login.secrets == (second,)


def test_two_at_once_do_not_make_three_secrets(database: Database, billing: Records) -> None:
    """If several calls add a client's second secret at the same time, exactly one succeeds."""
    outcomes: list[str] = []
    barrier = threading.Barrier(4)

    def add(number: int) -> None:
        barrier.wait()
        try:
            billing.add_secret("acme", "c1", Secret(f"x{number}", "h", "h", number), act())
            outcomes.append("added")
        except TooManySecrets:
            outcomes.append("refused")
        finally:
            database.close()

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["added", "refused", "refused", "refused"]


def test_check_wants_the_schema(database: Database, records: Records) -> None:
    """The check passes on a migrated database, names the command to run on an older schema, and
    raises `DatabaseUnavailable` without a schema.
    """
    assert records.check() is None
    with database.transaction() as connection:
        connection.execute("UPDATE wharf_auth_revision SET version_num = '0002'")
    trouble = records.check() or ""
    assert "the schema is 0002" in trouble
    assert "run `wharf-auth migrate`" in trouble
    with database.transaction() as connection:
        connection.execute("DROP TABLE wharf_auth_revision")
    with pytest.raises(DatabaseUnavailable):
        records.check()


def test_migration_again_changes_nothing(billing: Records, database: Database) -> None:
    """A second migration of a migrated database changes nothing."""
    url = getattr(database, "_url", None) or f"sqlite:///{database._path}"  # type: ignore[attr-defined]
    upgrade(url, MIGRATIONS)
    assert billing.tenant("acme") == ACME
