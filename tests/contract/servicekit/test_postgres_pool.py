"""The connections of a process to PostgreSQL: shared, limited, and not inherited over a fork."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from servicekit.database import DatabaseUnavailable
from servicekit.database.base import connections
from servicekit.database.postgres import PostgresDatabase
from tests.servers.postgres import PostgresServer

# The name of the sessions with which the tests count sessions. The server may notice late that
# such a session has ended, so these sessions do not count.
LOOKS = "looks at sessions"
SESSIONS = (
    "SELECT count(*), count(*) FILTER (WHERE state <> 'idle') FROM pg_stat_activity "
    "WHERE datname = current_database() AND backend_type = 'client backend' "
    f"AND application_name <> '{LOOKS}'"
)


@pytest.fixture
def database(new_postgres_url: str) -> Iterator[PostgresDatabase]:
    """Yield a database with one table of numbers."""
    database = PostgresDatabase(new_postgres_url)
    database.reading().execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
    yield database
    database.close()


def sessions(url: str) -> tuple[int, int]:
    """Return the number of sessions in the database, and how many of them are not idle."""
    with psycopg.connect(url, application_name=LOOKS) as connection:
        found = connection.execute(SESSIONS.encode()).fetchone()
    assert found
    return found[0], found[1]


def await_no_sessions(url: str) -> None:
    """Wait until the server has noticed that all sessions have ended."""
    deadline = time.monotonic() + 10
    while sessions(url) != (0, 0):
        assert time.monotonic() < deadline, "sessions stay open"
        time.sleep(0.01)


def in_threads(count: int, database: PostgresDatabase, *, together: bool) -> None:
    """Let each thread write a number, one after the other or all at the same time."""
    barrier = threading.Barrier(count)

    def write(number: int) -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO numbers (n) VALUES (?)", (number,))
            if together:
                barrier.wait(20)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
        if not together:
            thread.join()
    for thread in threads:
        thread.join()
    assert database.reading().row("SELECT count(*) FROM numbers") == (count,)


@pytest.mark.parametrize(("together", "opened"), [(False, 1), (True, 12)])
def test_as_many_as_are_in_use(
    database: PostgresDatabase, new_postgres_url: str, *, together: bool, opened: int
) -> None:
    """Twelve threads use one connection if they run one after the other, and twelve connections if
    they run at the same time.
    """
    in_threads(12, database, together=together)
    assert sessions(new_postgres_url) == (opened, 0)


def test_no_more_than_a_process_may_have(new_postgres_url: str) -> None:
    """Threads above the limit wait for a connection, and all get one without new connections."""
    database = PostgresDatabase(new_postgres_url, durable=False, most_connections=2)
    with database.transaction() as connection:
        connection.execute("CREATE TABLE numbers (n int)")

    def write(number: int) -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO numbers (n) VALUES (?)", (number,))

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(write, range(60)))
    assert database.reading().row("SELECT count(*) FROM numbers") == (60,)
    assert sessions(new_postgres_url)[0] <= 2
    database.close()


def test_nothing_stays_open(database: PostgresDatabase, new_postgres_url: str) -> None:
    """A transaction that fails leaves its connection idle, and the next transaction uses it."""
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), database.transaction() as connection:  # noqa: PT012 -- all of it
            connection.execute("INSERT INTO numbers (n) VALUES (1)")
            raise error
        assert sessions(new_postgres_url) == (1, 0)
    in_threads(1, database, together=False)
    assert sessions(new_postgres_url) == (1, 0)


def test_the_gauge_follows(
    database: PostgresDatabase, postgres: PostgresServer, new_postgres_url: str
) -> None:
    """The gauge counts the open connections, also when a restart of the server and `close` have
    ended some of them.
    """
    before = connections.now()
    in_threads(3, database, together=True)
    assert connections.now() == before + 2
    postgres.stop()
    postgres.start()
    assert database.reading().rows("SELECT n FROM numbers ORDER BY n") == [(0,), (1,), (2,)]
    deadline = time.monotonic() + 10
    while sessions(new_postgres_url)[0] != connections.now() - before + 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)  # the pool replaces idle connections
    database.close()
    assert connections.now() == before - 1
    await_no_sessions(new_postgres_url)
    assert database.reading().row("SELECT 1") == (1,)


def test_a_closed_connection_does_not_count(database: PostgresDatabase) -> None:
    """A closed connection does not count, even while an object refers to it."""
    before = connections.now()
    taken, _ = database.first(lambda connection: connection.row("SELECT 1"))
    assert connections.now() == before
    taken.raw.close()
    assert connections.now() == before - 1
    taken.give_back()
    del taken


def test_a_server_that_is_gone_is_told_at_once(
    database: PostgresDatabase, postgres: PostgresServer
) -> None:
    """A server that refuses connections raises an error immediately, with the server's reason."""
    in_threads(3, database, together=True)
    postgres.stop()
    try:
        for _ in range(5):
            started = time.monotonic()
            with pytest.raises(DatabaseUnavailable, match="No such file or directory"):
                database.reading().row("SELECT 1")
            assert time.monotonic() - started < 1
    finally:
        postgres.start()
    started = time.monotonic()
    assert database.reading().row("SELECT 1") == (1,)
    assert time.monotonic() - started < 2


FORK = """
import os, sys
from servicekit.database import open_database
database = open_database(sys.argv[1])
ask = lambda: database.reading().row("SELECT pg_backend_pid()")[0]
before = ask()
child = os.fork()
if child == 0:
    assert ask() != before
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert ask() == before
"""


def test_a_fork_shares_no_connection(new_postgres_url: str) -> None:
    """A forked child gets a new session, and its parent keeps the earlier session.

    At the end of the processes both sessions end immediately.
    """
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK, new_postgres_url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - started < 4
    await_no_sessions(new_postgres_url)
