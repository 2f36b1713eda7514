"""Databases saved to files and loaded. A snapshot is complete and of one
moment, or saving fails.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from servicekit.database import open_database, snapshots
from servicekit.database.backup_manifest import BackupError
from servicekit.database.migrating import ADVISORY_LOCK, engine_of, upgrade
from servicekit.ids import uuid7_hex
from tests.contract.records.test_kept_links import kept
from tests.servers.postgres import PostgresServer
from tests.servers.upload import MIGRATIONS, new_file
from tests.servers.upload_databases import DIALECTS
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.maintenance.backup import SCHEMA

NewDatabase = Callable[[str], str]
TENANTS = ("demo", "Ärger", "z-last")


@pytest.fixture
def new_url(tmp_path: Path, request: pytest.FixtureRequest) -> NewDatabase:
    """Return a function that makes the URL of a database without tables, by dialect."""
    count = iter(range(99))

    def make(dialect: str) -> str:
        if dialect == "sqlite":
            return f"sqlite:///{tmp_path}/new-{next(count)}/upload.db"
        postgres: PostgresServer = request.getfixturevalue("postgres")
        return postgres.new_database()

    return make


@pytest.fixture(params=DIALECTS)
def filled(request: pytest.FixtureRequest, new_url: NewDatabase) -> str:
    """Return the URL of a database with rows in most tables."""
    url = new_url(request.param)
    upgrade(url, MIGRATIONS)
    fill(url)
    return url


def fill(url: str) -> None:
    """Add rows of several tenants, with unusual names and numbers."""
    database = open_database(url, durable=False)
    records = SqlRecords(database)
    for tenant in TENANTS:
        files = tuple(
            new_file(f"ordner/ä {number}\n😀'\"\\", tenant=tenant, size=2**40 + number)
            for number in range(3)
        )
        records.write(Write(files=files))
        records.put_limits(tenant, Limits(max_bytes=2**60, max_files=None))
        records.uploads.create(
            Upload(
                id=uuid7_hex(),
                tenant=tenant,
                subject="client-1",
                bucket="default",
                key="a.bin",
                length=10,
                reserved_bytes=10,
                created_at=1,
                expires_at=1_000,
            )
        )
    records.link_key("demo", create=True)
    kept(records, "ordner/", filename="ä 😀", tokens=("t1", "t2"))
    database.close()


def content(url: str, tmp_path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows by table, in an order that does not depend on the engine."""
    file = tmp_path / "content.db"
    snapshots.save(url, SCHEMA, file)
    with snapshots.reading(file).connect() as saved:
        names = [table.name for table in snapshots.tables_of(saved, SCHEMA)]
    with closing(sqlite3.connect(file)) as database:
        return {
            name: sorted(database.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for name in names
        }


@pytest.mark.parametrize("dialect", DIALECTS)
def test_there_and_back(filled: str, dialect: str, new_url: NewDatabase, tmp_path: Path) -> None:
    """Every row of every table is the same after a save and a load on either engine."""
    file, target = tmp_path / "saved.db", new_url(dialect)
    snapshots.save(filled, SCHEMA, file)
    snapshots.load(file, SCHEMA, target)
    before = content(filled, tmp_path)
    assert len(before["files"]) == len(TENANTS) * 3
    assert before["events"]
    assert before["uploads"]
    assert content(target, tmp_path) == before
    assert file.stat().st_mode & 0o777 == 0o600


def saved(new_url: NewDatabase, tmp_path: Path) -> Path:
    """Return the file of a saved SQLite database with rows."""
    source, file = new_url("sqlite"), tmp_path / "saved.db"
    upgrade(source, MIGRATIONS)
    fill(source)
    snapshots.save(source, SCHEMA, file)
    return file


@pytest.mark.parametrize("dialect", DIALECTS)
def test_corrected_rows(dialect: str, new_url: NewDatabase, tmp_path: Path) -> None:
    """Corrections change the rows in the transaction that writes them: all rows, or none."""
    file, target = saved(new_url, tmp_path), new_url(dialect)
    right = ("DELETE FROM files WHERE tenant <> ?", ("demo",))
    with pytest.raises(BackupError):
        snapshots.load(file, SCHEMA, target, [right, ("DELETE FROM nothing", ())])
    assert content(target, tmp_path)["files"] == []
    snapshots.load(file, SCHEMA, target, [right])
    assert len(content(target, tmp_path)["files"]) == 3


@pytest.mark.parametrize("dialect", DIALECTS)
def test_goes_on(filled: str, dialect: str, new_url: NewDatabase, tmp_path: Path) -> None:
    """A loaded database accepts new files, and their events have later numbers."""
    file, target = tmp_path / "saved.db", new_url(dialect)
    snapshots.save(filled, SCHEMA, file)
    snapshots.load(file, SCHEMA, target)
    database = open_database(target, durable=False)
    records = SqlRecords(database)
    last = max(seq for (seq,) in database.reading().rows("SELECT seq FROM events"))
    records.write(Write(files=(new_file("later"),)))
    ((newest,),) = database.reading().rows("SELECT max(seq) FROM events")
    assert newest > last
    assert records.usage("demo").files == 5
    database.close()


def test_one_moment(filled: str, tmp_path: Path) -> None:
    """A file that is saved during writes contains each transaction completely or not at all."""
    stop = threading.Event()

    def write() -> None:
        database = open_database(filled, durable=False)
        records, number = SqlRecords(database), 0
        while not stop.is_set():
            number += 1
            pair = (new_file(f"pair/{number}/a"), new_file(f"pair/{number}/b"))
            records.write(Write(files=pair))
        database.close()

    with writing(write, stop):
        found = [content(filled, tmp_path) for _ in range(5)]
    assert len(found[-1]["files"]) > len(found[0]["files"])
    for rows in found:
        pairs = [row for row in rows["files"] if "pair/" in str(row)]
        assert len(pairs) % 2 == 0
        (usage,) = (row for row in rows["usage"] if row[0] == "demo")
        # The unfinished upload counts as a file.
        assert usage[2] == len([row for row in rows["files"] if row[0] == "demo"]) + 1


class writing:  # noqa: N801 -- reads as the statement that it is
    """A block that runs a function in a thread until the end of the block."""

    def __init__(self, function: Callable[[], None], stop: threading.Event) -> None:
        self._thread, self._stop = threading.Thread(target=function), stop

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_not_over_another(filled: str, dialect: str, new_url: NewDatabase, tmp_path: Path) -> None:
    """A load into a database with rows is refused and changes nothing."""
    file, target = tmp_path / "saved.db", new_url(dialect)
    snapshots.save(filled, SCHEMA, file)
    upgrade(target, MIGRATIONS)
    database = open_database(target, durable=False)
    SqlRecords(database).put_limits("other", Limits(max_bytes=1))
    database.close()
    before = content(target, tmp_path)
    for refusing in (snapshots.require_loadable, snapshots.load):
        with pytest.raises(BackupError, match="limits has rows; restore needs an empty database"):
            refusing(file, SCHEMA, target)
    assert content(target, tmp_path) == before


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_look_makes_nothing(dialect: str, new_url: NewDatabase, tmp_path: Path) -> None:
    """`require_loadable` creates neither a table nor a file."""
    file, target = saved(new_url, tmp_path), new_url(dialect)
    snapshots.require_loadable(file, SCHEMA, target)
    if dialect == "sqlite":
        assert not Path(target.removeprefix("sqlite:///")).parent.exists()
    else:
        assert sa.inspect(engine_of(target)).get_table_names() == []
    upgrade(target, MIGRATIONS)
    snapshots.require_loadable(file, SCHEMA, target)


@pytest.fixture
def older_scripts(tmp_path: Path) -> Path:
    """Return the migrations as they were at revision 0002."""
    scripts = tmp_path / "older"
    (scripts / "versions").mkdir(parents=True)
    for path in (MIGRATIONS / "env.py", MIGRATIONS / "script.py.mako"):
        (scripts / path.name).write_bytes(path.read_bytes())
    for path in (MIGRATIONS / "versions").glob("000[12]*.py"):
        (scripts / "versions" / path.name).write_bytes(path.read_bytes())
    return scripts


@pytest.mark.parametrize("dialect", DIALECTS)
def test_older_and_newer(
    dialect: str, new_url: NewDatabase, older_scripts: Path, tmp_path: Path
) -> None:
    """A file of an older schema is migrated when it is loaded. A newer file, and a database with
    another schema, are refused.
    """
    old, file = new_url(dialect), tmp_path / "old.db"
    upgrade(old, older_scripts)
    insert = "INSERT INTO usage (tenant, bytes, files) VALUES ('demo', 7, 1)"
    if dialect == "sqlite":
        with closing(sqlite3.connect(old.removeprefix("sqlite:///"))) as raw:
            raw.execute(insert)
            raw.commit()
    else:
        with psycopg.connect(old) as connection:
            connection.execute(insert.encode())
    with pytest.raises(BackupError, match=r"schema 0002 and this version needs \d+; migrate"):
        snapshots.save(old, SCHEMA, file)
    snapshots.save(old, snapshots.Schema(older_scripts, SCHEMA.version_table), file)
    target = new_url(dialect)
    snapshots.require_loadable(file, SCHEMA, target)
    snapshots.load(file, SCHEMA, target)
    assert ("demo", 7, 1, 0) in content(target, tmp_path)["usage"]

    newer = tmp_path / "newer.db"
    snapshots.save(target, SCHEMA, newer)
    older = snapshots.Schema(older_scripts, SCHEMA.version_table)
    for refusing in (snapshots.require_loadable, snapshots.load):
        with pytest.raises(BackupError, match="does not know"):
            refusing(newer, older, new_url(dialect))


@pytest.mark.parametrize("damage", ["cut", "text", "absent", "empty"])
def test_damaged(damage: str, tmp_path: Path, new_url: NewDatabase) -> None:
    """A damaged file is refused with an error of one line, and no table gets a row."""
    source, file, target = new_url("sqlite"), tmp_path / "saved.db", new_url("sqlite")
    upgrade(source, MIGRATIONS)
    fill(source)
    snapshots.save(source, SCHEMA, file)
    whole = file.read_bytes()
    if damage == "absent":
        file.unlink()
    else:
        file.write_bytes(
            {"cut": whole[: len(whole) // 2], "text": b"hello" * 999, "empty": b""}[damage]
        )
    with pytest.raises(BackupError) as trouble:
        snapshots.load(file, SCHEMA, target)
    assert "\n" not in str(trouble.value)
    path = Path(target.removeprefix("sqlite:///"))
    if path.exists():
        assert not any(content(target, tmp_path).values())


def test_migrations_wait(
    new_url: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No migration can begin while the rows are read, because it would block all later queries."""
    url = new_url("postgresql")
    upgrade(url, MIGRATIONS)
    begun: list[object] = []
    copy = snapshots._copy

    def probing(*arguments: Any) -> None:
        with psycopg.connect(url) as other:
            sql = "SELECT pg_try_advisory_xact_lock(%s)"
            begun.extend(other.execute(sql, (ADVISORY_LOCK,)).fetchone() or ())
        copy(*arguments)

    monkeypatch.setattr(snapshots, "_copy", probing)
    snapshots.save(url, SCHEMA, tmp_path / "saved.db")
    assert begun
    assert not any(begun)
    upgrade(url, MIGRATIONS)
