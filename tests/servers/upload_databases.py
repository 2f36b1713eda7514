"""Migrated databases of the upload service, on every kind of database that it supports."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servicekit.database import Database, open_database
from servicekit.database.migrating import upgrade
from tests.servers.postgres import PostgresServer
from tests.servers.upload import MIGRATIONS
from wharf_upload.database.sql import SqlRecords

DIALECTS = ("sqlite", "postgresql")
NewUrl = Callable[[], str]


def migrated(url: str) -> None:
    """Make the upload service's tables in an empty database."""
    upgrade(url, MIGRATIONS)


@pytest.fixture(params=DIALECTS)
def database_url(
    request: pytest.FixtureRequest, upload_template: Path, tmp_path: Path
) -> Iterator[str]:
    """Yield the URL of a migrated database that no other test uses."""
    yield from copied(request, tmp_path, upload_template, migrated)


def copied(
    request: pytest.FixtureRequest, folder: Path, template: Path, fill: Callable[[str], None]
) -> Iterator[str]:
    """Yield the URL of a database of the dialect `request.param`. Afterwards drop a PostgreSQL
    database.

    The database is a copy of the SQLite file `template`, or of a PostgreSQL database that `fill`
    has filled.
    """
    if request.param == "sqlite":
        shutil.copy(template, folder / "upload.db")
        yield f"sqlite:///{folder / 'upload.db'}"
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    url = postgres.filled_by(fill)
    yield url
    postgres.drop(url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield the database. A test must close the connections of its other threads."""
    database = open_database(database_url, durable=False)
    yield database
    database.close()


@pytest.fixture
def records(database: Database) -> SqlRecords:
    """Return the records in the database, without a durability step before a commit."""
    return SqlRecords(database)
