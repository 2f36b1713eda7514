"""Grants and groups after a move to another engine by a backup, and after an update from a
release without grants.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from servicekit.database import open_database, snapshots
from servicekit.database.migrating import upgrade
from servicekit.grants import CompactGrant
from tests.servers.auth import MIGRATIONS, act
from tests.servers.postgres import PostgresServer
from wharf_auth.commands.backups import SEEDED, VERSION_TABLE
from wharf_auth.database.contract import Client, Secret, Tenant
from wharf_auth.database.groups_contract import ClientChange, Group
from wharf_auth.database.people_contract import User
from wharf_auth.database.sql import SqlRecords

SCHEMA = snapshots.Schema(MIGRATIONS, VERSION_TABLE, SEEDED)
OWN = (CompactGrant("photos", "in/{client}/", "rw"),)
GROUP = Group(
    id="g1",
    tenant="acme",
    name="Designers",
    scopes=("files:read",),
    grants=(CompactGrant("*", "home/{user_id}/", "rwdl"),),
    created_at=3,
    version=3,
)
NewUrl = Callable[[str], str]


@pytest.fixture
def new_url(tmp_path: Path, request: pytest.FixtureRequest) -> NewUrl:
    """Return a function that makes a database without tables on an engine, and returns its URL."""
    count = iter(range(9))

    def make(engine: str) -> str:
        if engine == "sqlite":
            return f"sqlite:///{tmp_path}/{next(count)}/auth.db"
        postgres: PostgresServer = request.getfixturevalue("postgres")
        return postgres.new_database()

    return make


@contextmanager
def opened(url: str) -> Iterator[SqlRecords]:
    """Yield the records of a migrated database."""
    database = open_database(url, durable=False)
    try:
        yield SqlRecords(database)
    finally:
        database.close()


def fill(records: SqlRecords) -> None:
    """Add a client with grants, a client without a list, a client with an empty list, and a person
    with an empty list. The first client and the person are in a group.
    """
    records.add_tenant(Tenant("acme", "Acme", 1), act())
    for number, grants in ((1, OWN), (2, None), (3, ())):
        client = Client(f"c{number}", "acme", "x", ("files:read",), 2, None, grants, 2)
        records.add_client(client, Secret(f"s{number}", "h", "h", 2), act(at=2))
    user = User(
        id="u1",
        tenant="acme",
        username="eve",
        display_name="Eve",
        role="editor",
        created_at=2,
        password_changed_at=2,
        grants=(),
        reach_version=2,
    )
    records.add_user(user, "eve", "hash", act(at=2))
    records.add_group(GROUP, "designers", act(at=3))
    records.change_members("acme", "g1", add={"c1": act(at=4), "u1": act(at=4)}, remove={})


def told(records: SqlRecords) -> dict[str, object]:
    """Return everything that the records and the feed contain about grants and groups."""
    return {
        "clients": records.clients("acme", after="", limit=9),
        "users": records.users("acme", after="", limit=9),
        "groups": records.groups("acme", after="", limit=9),
        "members": records.members("acme", "g1", after="", limit=9),
        "of": records.groups_of("acme", ("c1", "c2", "u1")),
        "feed": records.feed(after=0, limit=99),
    }


@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_a_backup_has_them(new_url: NewUrl, tmp_path: Path, source: str, target: str) -> None:
    """Grants, groups, members and the feed are the same after a restore on another engine, and
    later changes get newer versions.
    """
    url, restored, file = new_url(source), new_url(target), tmp_path / "saved.db"
    upgrade(url, MIGRATIONS)
    with opened(url) as records:
        fill(records)
        before = told(records)
    snapshots.save(url, SCHEMA, file)
    snapshots.load(file, SCHEMA, restored)
    with opened(restored) as records:
        assert told(records) == before
        records.change_client("acme", "c2", ClientChange(grants=OWN), act(at=5))
        records.delete_group("acme", "g1", act(at=6))
        after = records.feed(after=0, limit=99)
    entries = {(one.kind, one.id): one.reach for one in after.entries if one.reach}
    assert entries["reach", "c2"].version > 2
    assert entries["group", "g1"].version > GROUP.version
    assert not entries["group", "g1"].grants


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_database_of_before(new_url: NewUrl, engine: str, tmp_path: Path) -> None:
    """A client of a release without grants has no list after the migration, and can get a list and
    join a group.
    """
    url = new_url(engine)
    before = tmp_path / "before"
    shutil.copytree(MIGRATIONS, before, ignore=shutil.ignore_patterns("000[4-9]_*", "__pycache__"))
    upgrade(url, before)
    database = open_database(url, durable=False)
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO tenants (name, display_name, created_at) VALUES ('acme', 'Acme', 1)"
        )
        connection.execute(
            "INSERT INTO clients (id, tenant, name, scopes, created_at) "
            "VALUES ('c1', 'acme', 'x', 'files:read', 1)"
        )
    database.close()
    upgrade(url, MIGRATIONS)
    with opened(url) as records:
        assert records.clients("acme", after="", limit=9) == [
            Client("c1", "acme", "x", ("files:read",), 1)
        ]
        assert records.groups_of("acme", ("c1",)) == {}
        records.add_group(GROUP, "designers", act(at=3))
        records.change_members("acme", "g1", add={"c1": act(at=4)}, remove={})
        records.change_client("acme", "c1", ClientChange(grants=OWN), act(at=5))
        (client,) = records.clients("acme", after="", limit=9)
        assert client.grants == OWN
        assert client.reach_version >= 5
        assert records.groups_of("acme", ("c1",)) == {"c1": [GROUP]}
