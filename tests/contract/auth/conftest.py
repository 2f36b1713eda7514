"""A migrated database of each kind, and the auth records in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.database import Database, open_database
from servicekit.database.migrating import upgrade
from tests.servers.auth import MIGRATIONS
from wharf_auth.database.contract import Records
from wharf_auth.database.sql import SqlRecords


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A migrated database of each kind."""
    url = f"sqlite:///{tmp_path}/auth.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("new_postgres_url")
    upgrade(url, MIGRATIONS)
    database = open_database(url)
    yield database
    database.close()


@pytest.fixture
def records(database: Database) -> Records:
    return SqlRecords(database)
