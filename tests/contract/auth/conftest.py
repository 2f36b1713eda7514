"""Fixtures of the auth records: a migrated database on each engine, with
and without twin tenants.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.database import Database, open_database
from servicekit.database.migrating import upgrade
from tests.servers.auth import MIGRATIONS
from tests.servers.postgres import PostgresServer
from tests.servers.twins import AUTH_TWINS
from wharf_auth.database.contract import Records
from wharf_auth.database.sql import SqlRecords


@pytest.fixture
def all_tenants() -> None:
    """Mark a test that reads rows of all tenants. The test's database has no twin tenants
    (`tests.servers.twins`).
    """


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Return migrated SQLite files, one with twin tenants and one without. All
    tests copy these files.
    """
    folder = tmp_path_factory.mktemp("migrated")
    files = {has_twins: folder / f"{has_twins}.db" for has_twins in (False, True)}
    _without_twins(f"sqlite:///{files[False]}")
    _with_twins(f"sqlite:///{files[True]}")
    return files


@pytest.fixture(params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, migrated: dict[bool, Path]
) -> Iterator[Database]:
    """Yield a migrated database of each engine, with twin tenants unless the test uses
    `all_tenants`.
    """
    has_twins = "all_tenants" not in request.fixturenames
    url = f"sqlite:///{tmp_path}/auth.db"
    if request.param == "sqlite":
        shutil.copy(migrated[has_twins], tmp_path / "auth.db")
        yield from _opened(url)
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    url = postgres.filled_by(_with_twins if has_twins else _without_twins)
    yield from _opened(url)
    postgres.drop(url)


def _without_twins(url: str) -> None:
    upgrade(url, MIGRATIONS)


def _with_twins(url: str) -> None:
    upgrade(url, MIGRATIONS)
    AUTH_TWINS.add(url)


def _opened(url: str) -> Iterator[Database]:
    database = open_database(url)
    yield database
    database.close()


@pytest.fixture
def records(database: Database) -> Records:
    return SqlRecords(database)
