"""A migrated database of each kind, and the auth records in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.database import Database, open_database
from servicekit.database.migrating import upgrade
from tests.servers.auth import MIGRATIONS
from tests.servers.twins import AUTH_TWINS
from wharf_auth.database.contract import Records
from wharf_auth.database.sql import SqlRecords


@pytest.fixture
def all_tenants() -> None:
    """Is asked for by a test of what rightly spans tenants: its tenant has no twins."""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A migrated database of each kind, with twins of the tenant `acme`."""
    url = f"sqlite:///{tmp_path}/auth.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("new_postgres_url")
    upgrade(url, MIGRATIONS)
    if "all_tenants" not in request.fixturenames:
        AUTH_TWINS.add(url)
    database = open_database(url)
    yield database
    database.close()


@pytest.fixture
def records(database: Database) -> Records:
    return SqlRecords(database)
