"""Migrations: repeated, concurrent, and interrupted by a crash."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from click.testing import CliRunner

from servicekit.database import open_database
from servicekit.database.migrating import engine_of, upgrade
from servicekit.database.opening import sqlite_path
from tests.servers.tracing import Strace
from tests.servers.upload import MIGRATIONS, new_file
from tests.servers.upload_databases import DIALECTS
from wharf_upload.cli import cli
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write

_UPGRADE = """
import sys
from pathlib import Path
from servicekit.database.migrating import upgrade
upgrade(sys.argv[1], Path(sys.argv[2]))
"""


@pytest.fixture(params=DIALECTS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'upload.db'}"
    url: str = request.getfixturevalue("new_postgres_url")
    return url


def works(url: str) -> None:
    """Write a file and check the count, which shows that the database works."""
    database = open_database(url, durable=False)
    records = SqlRecords(database)
    try:
        assert records.check() is None
        records.write(Write(files=(new_file("a.txt"),)))
        assert records.usage("demo").files == 1
        assert database.reading().rows("SELECT count(*) FROM alembic_version") == [(1,)]
    finally:
        database.close()


def upgrading(url: str, *before: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*before, sys.executable, "-c", _UPGRADE, url, str(MIGRATIONS)], stderr=subprocess.PIPE
    )


def test_twice(empty_url: str) -> None:
    """A second upgrade changes nothing and keeps the rows that were written before it."""
    upgrade(empty_url, MIGRATIONS)
    works(empty_url)
    upgrade(empty_url, MIGRATIONS)
    database = open_database(empty_url)
    assert SqlRecords(database).usage("demo").files == 1
    database.close()


def test_several_at_once(empty_url: str) -> None:
    """Several processes that migrate one new database at the same time all succeed."""
    processes = [upgrading(empty_url) for _ in range(3)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    works(empty_url)


@pytest.mark.parametrize("step", [1, 4, 8, 12, 15])
def test_killed(tmp_path: Path, step: int, strace: Strace) -> None:
    """If a migration was killed at one of its writes, the next migration completes the schema."""
    url = f"sqlite:///{tmp_path / 'upload.db'}"
    process = upgrading(url, *strace(f"pwrite64:signal=KILL:when={step}"))
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    upgrade(url, MIGRATIONS)
    works(url)


def upgrade_to(url: str, revision: str) -> None:
    """Bring a database to the schema of an older release."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    if (path := sqlite_path(url)) is not None:
        path.parent.mkdir()
    with engine_of(url).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_numbers_of_events_that_were_there(empty_url: str) -> None:
    """A migration keeps the numbers of existing events and gives later events larger numbers.

    The migration stores permanently when the numbering changed.
    """
    upgrade_to(empty_url, "0013")
    database = open_database(empty_url, durable=False)
    insert = "INSERT INTO events (tenant, kind, at, data) VALUES (?, 'file.older', 1, '{}')"
    with database.transaction() as connection:
        connection.execute_many(insert, [("demo",), ("other",), ("demo",)])
    before = time.time_ns() // 1_000_000
    upgrade(empty_url, MIGRATIONS)
    upgrade(empty_url, MIGRATIONS)
    records = SqlRecords(database)
    changed_at = records.event_numbers_changed_at()
    assert changed_at is not None
    assert before <= changed_at <= time.time_ns() // 1_000_000
    records.write(Write(files=(new_file("a"), new_file("b"))))
    numbers = [event.seq for event in records.events("demo", 0, 10)]
    assert numbers[:2] == [1, 3]
    assert 1000 * before < numbers[2] < numbers[3]
    assert [event.seq for event in records.events("demo", 1, 10)] == numbers[1:]
    database.close()


def test_a_current_database_needs_no_alembic(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command `migrate` imports the module for migrations only when the database has an older
    schema.
    """
    environ = {"WHARF_DATA": str(tmp_path), "WHARF_DATABASE_URL": empty_url}

    def run() -> BaseException | None:
        return CliRunner().invoke(cli, ["migrate"], env=environ).exception

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "servicekit.database.migrating", None)
        assert isinstance(run(), ImportError)
    assert run() is None
    works(empty_url)
    monkeypatch.setitem(sys.modules, "servicekit.database.migrating", None)
    assert run() is None
