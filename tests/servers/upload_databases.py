"""Migrated databases of the upload service, on every kind of database that it runs on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from servicekit.database import Database, open_database
from servicekit.database.migrating import upgrade
from tests.servers.postgres import PostgresServer
from tests.servers.upload import MIGRATIONS
from wharf_upload.database.sql import SqlRecords

DIALECTS = ("sqlite", "postgresql")
NewUrl = Callable[[], str]


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The name of a migrated database: migrating once serves all tests."""
    url = postgres.new_database()
    upgrade(url, MIGRATIONS)
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture(params=DIALECTS)
def database_url(request: pytest.FixtureRequest, upload_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated database of this test's own."""
    if request.param == "sqlite":
        shutil.copy(upload_template, tmp_path / "upload.db")
        return f"sqlite:///{tmp_path / 'upload.db'}"
    postgres: PostgresServer = request.getfixturevalue("postgres")
    template: str = request.getfixturevalue("postgres_template")
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return postgres.url(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The database; other threads close their own connections."""
    database = open_database(database_url, durable=False)
    yield database
    database.close()


@pytest.fixture
def records(database: Database) -> SqlRecords:
    """The records in it, with nothing to make durable before a commit."""
    return SqlRecords(database)
