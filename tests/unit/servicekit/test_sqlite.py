"""Connections to SQLite: each connection that is opened is closed."""

from __future__ import annotations

import gc
import os
import sqlite3
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from servicekit.database import Database, DatabaseUnavailable, open_database


class Watched(sqlite3.Connection):
    """A connection that counts opened and closed connections in its class."""

    opened = closed = 0

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        Watched.opened += 1

    def close(self) -> None:
        super().close()
        Watched.closed += 1


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    """Set the counts of connections to zero, and use the class that counts."""
    monkeypatch.setattr(Watched, "opened", 0)
    monkeypatch.setattr(Watched, "closed", 0)
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Watched))
    return Watched


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Return a database that has no open connection."""
    return open_database(f"sqlite:///{tmp_path}/some.db", durable=False)


def test_a_thread_that_ends(database: Database, watched: type[Watched]) -> None:
    """When a thread ends, its connection is closed without a call of `close`."""
    thread = threading.Thread(target=lambda: database.reading().row("SELECT 1"))
    thread.start()
    thread.join()
    gc.collect()
    assert (watched.opened, watched.closed) == (1, 1)


def test_a_database_that_is_dropped(tmp_path: Path, watched: type[Watched]) -> None:
    """When a database has no references, its connections are closed."""
    database = open_database(f"sqlite:///{tmp_path}/some.db", durable=False)
    database.reading().row("SELECT 1")
    with database.transaction() as connection:
        connection.execute("CREATE TABLE numbers (n INTEGER)")
    del database, connection
    gc.collect()
    assert (watched.opened, watched.closed) == (2, 2)


def test_a_file_that_is_no_database(tmp_path: Path, watched: type[Watched]) -> None:
    """If a file is no database, the connection to it is closed after the error."""
    (tmp_path / "some.db").write_bytes(b"no database at all" * 100)
    database = open_database(f"sqlite:///{tmp_path}/some.db")
    with pytest.raises((DatabaseUnavailable, sqlite3.DatabaseError)):
        database.reading()
    gc.collect()
    assert (watched.opened, watched.closed) == (1, 1)


def test_close_leaves_no_file_open(database: Database, tmp_path: Path) -> None:
    """After `close` no file of the database is open; a later transaction opens the files again."""
    for _ in range(2):
        with database.transaction() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS numbers (n INTEGER)")
        database.close()
        files = (os.path.realpath(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd"))
        assert [file for file in files if file.startswith(str(tmp_path))] == []
