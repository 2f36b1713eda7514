"""Migration of an older installation keeps its suspensions and disabled clients."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from servicekit.database import open_database
from servicekit.database.migrating import upgrade
from tests.servers.auth import MIGRATIONS, act
from wharf_auth.cli import cli
from wharf_auth.database.sql import SqlRecords


@pytest.fixture(params=["sqlite", "postgresql"])
def older_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database of the first version, with a suspended tenant
    and a disabled client.
    """
    url = f"sqlite:///{tmp_path}/auth.db"
    if request.param == "postgresql":
        url = str(request.getfixturevalue("new_postgres_url"))
    scripts = tmp_path / "older"
    (scripts / "versions").mkdir(parents=True)
    for name in ("env.py", "script.py.mako", "versions/0001_tenants_and_clients.py"):
        shutil.copy(MIGRATIONS / name, scripts / name)
    upgrade(url, scripts)
    database = open_database(url)
    with database.transaction() as connection:
        for name, suspended_at in (("acme", None), ("held", 5)):
            connection.execute(
                "INSERT INTO tenants (name, display_name, created_at, suspended_at) "
                "VALUES (?, ?, 1, ?)",
                (name, name, suspended_at),
            )
        for client, disabled_at in (("c1", None), ("c2", 6)):
            connection.execute(
                "INSERT INTO clients (id, tenant, name, scopes, created_at, disabled_at) "
                "VALUES (?, 'acme', 'x', 'files:read', 1, ?)",
                (client, disabled_at),
            )
    database.close()
    return url


def test_what_was_in_force_is_in_the_first_feed(older_url: str) -> None:
    """The first feed contains the suspensions and disabled clients that are older than the feed."""
    upgrade(older_url, MIGRATIONS)
    database = open_database(older_url)
    records = SqlRecords(database)
    try:
        found = records.feed(after=0, limit=9)
        assert [(one.kind, one.tenant, one.id, one.state) for one in found.entries] == [
            ("tenant", "held", "", "suspended"),
            ("subject", "acme", "c2", "revoked"),
        ]
        assert found.latest == 2
        assert found.entries[0].until is None
        assert found.entries[1].until is not None
        held = records.tenant("held")
        assert held is not None
        assert held.state == "suspended"
        records.suspend("acme", act())
        assert records.feed(after=2, limit=9).entries[0].seq == 3
    finally:
        database.close()


@pytest.mark.parametrize("command", ["migrate", "init --migrate"])
def test_a_current_database_needs_no_alembic(
    older_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The commands `migrate` and `init --migrate` import the module for migrations only when the
    database has an older schema.
    """
    environ = {"WHARF_DATA": str(tmp_path), "WHARF_DATABASE_URL": older_url}

    def run() -> BaseException | None:
        return CliRunner().invoke(cli, command.split(), env=environ).exception

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "servicekit.database.migrating", None)
        assert isinstance(run(), ImportError)
    assert run() is None
    monkeypatch.setitem(sys.modules, "servicekit.database.migrating", None)
    assert run() is None
