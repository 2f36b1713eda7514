"""Locked, missing, stopped or frozen databases: each engine fails differently."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from servicekit.database import Database, DatabaseUnavailable, open_database
from tests.servers.postgres import PostgresServer

# This time is longer than each internal timeout. A later result is too late for a request.
BOUND_SECONDS = 9


def numbers(database: Database) -> list[int]:
    return [row[0] for row in database.reading().rows("SELECT n FROM numbers ORDER BY n")]


def insert(database: Database, number: int) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO numbers (n, word) VALUES (?, ?)", (number, "x"))


# only for SQLite


def test_foreign_writer_of_the_file_is_waited_for_and_no_longer(tmp_path: Path) -> None:
    """If another program holds `BEGIN EXCLUSIVE` on the file, a write raises `DatabaseUnavailable`
    after a bounded time.
    """
    database = open_database(f"sqlite:///{tmp_path}/some.db")
    with database.transaction() as connection:
        connection.execute("CREATE TABLE numbers (n INTEGER)")
    other = sqlite3.connect(tmp_path / "some.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="locked"):
        insert(database, 1)
    assert time.monotonic() - started < BOUND_SECONDS
    other.close()
    database.close()


@pytest.mark.parametrize(("durable", "value"), [(True, 2), (False, 0)])
def test_durability_is_a_choice(tmp_path: Path, *, durable: bool, value: int) -> None:
    """With `full`, SQLite syncs at every commit (the value 2), and with `relaxed`
    never (the value 0).
    """
    database = open_database(f"sqlite:///{tmp_path}/some.db", durable=durable)
    assert database.reading().row("PRAGMA synchronous") == (value,)
    assert database.reading().row("PRAGMA journal_mode") == ("wal",)
    database.close()


def test_folder_that_is_missing_is_unavailable(tmp_path: Path) -> None:
    """A database in a missing folder raises `DatabaseUnavailable`."""
    database = open_database(f"sqlite:///{tmp_path}/absent/some.db")
    with pytest.raises(DatabaseUnavailable):
        database.reading()


def test_fork_shares_no_turn(tmp_path: Path) -> None:
    """Parent and child of a fork write in turns, and no write is lost."""
    url = f"sqlite:///{tmp_path}/some.db"
    script = f"""
import os
from servicekit.database import open_database
database = open_database({url!r})
with database.transaction() as connection:
    connection.execute("CREATE TABLE numbers (n INTEGER)")
database.close()
child = os.fork()
for _ in range(200):
    with database.transaction() as connection:
        (count,) = connection.row("SELECT COUNT(*) FROM numbers")
        connection.execute("INSERT INTO numbers VALUES (?)", (count,))
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert database.reading().row("SELECT COUNT(DISTINCT n) FROM numbers") == (400,)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


# only for PostgreSQL


def test_connections_come_back_after_a_restart(
    postgres: PostgresServer, new_postgres_url: str
) -> None:
    """After a restart of the server the next read and the next transaction work."""
    database = open_database(new_postgres_url)
    with database.transaction() as connection:
        connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY, word TEXT)")
    for use in (lambda: insert(database, 1), lambda: numbers(database)):
        numbers(database)
        postgres.stop()
        postgres.start()
        use()
    assert numbers(database) == [1]
    database.close()


def test_server_that_is_down_is_unavailable(
    postgres: PostgresServer, new_postgres_url: str
) -> None:
    """While the server is down each call raises `DatabaseUnavailable`.
    Afterwards calls succeed again.
    """
    database = open_database(new_postgres_url)
    with database.transaction() as connection:
        connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY, word TEXT)")
    postgres.stop()
    try:
        for use in (lambda: insert(database, 1), lambda: numbers(database)):
            started = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                use()
            assert time.monotonic() - started < BOUND_SECONDS
    finally:
        postgres.start()
    insert(database, 1)
    assert numbers(database) == [1]
    database.close()


def test_frozen_server_is_given_up(postgres: PostgresServer, new_postgres_url: str) -> None:
    """A read and a transaction each wait only for a bounded time when the server is frozen."""
    database = open_database(new_postgres_url)
    with database.transaction() as connection:
        connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY, word TEXT)")
    row = database.reading().row("SELECT pg_backend_pid()")
    assert row
    for use in (lambda: numbers(database), lambda: insert(database, 1)):
        with postgres.frozen():
            started = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                use()
            assert time.monotonic() - started < BOUND_SECONDS
    insert(database, 2)
    assert 2 in numbers(database)
    database.close()


def test_relaxed_commits_do_not_wait_for_the_disk(new_postgres_url: str) -> None:
    """The value `relaxed` turns `synchronous_commit` off."""
    for durable, value in ((True, "on"), (False, "off")):
        database = open_database(new_postgres_url, durable=durable)
        assert database.reading().row("SHOW synchronous_commit") == (value,)
        database.close()
