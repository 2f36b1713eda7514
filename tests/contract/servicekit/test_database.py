"""Contract of a database, on SQLite and on PostgreSQL, with and without outages."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servicekit.database import Database, DatabaseUnavailable, UniqueViolation, open_database
from servicekit.settings import SettingsError

# This time is longer than each internal timeout. A later result is too late for a request.
BOUND_SECONDS = 9


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database of each kind."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("new_postgres_url"))
    return f"sqlite:///{tmp_path}/some.db"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Yield a database with one table of numbers."""
    database = open_database(url)
    with database.transaction() as connection:
        connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY, word TEXT NOT NULL)")
    yield database
    database.close()


def numbers(database: Database) -> list[int]:
    return [row[0] for row in database.reading().rows("SELECT n FROM numbers ORDER BY n")]


def insert(database: Database, number: int) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO numbers (n, word) VALUES (?, ?)", (number, "x"))


def in_thread(database: Database, work: Callable[[], None]) -> threading.Thread:
    """Run in another thread and close the connection of that thread."""

    def call() -> None:
        try:
            work()
        finally:
            database.close()

    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_committed_rows_are_seen_by_all(database: Database) -> None:
    """The rows of a committed transaction are visible in every thread."""
    insert(database, 1)
    seen: list[list[int]] = []
    in_thread(database, lambda: seen.append(numbers(database))).join()
    assert seen == [[1]]


def test_statements_tell_how_much_they_changed(database: Database) -> None:
    """`execute` returns the number of changed rows, and `row` and `rows` return rows.

    `execute_many` repeats a statement.
    """
    with database.transaction() as connection:
        connection.execute_many(
            "INSERT INTO numbers (n, word) VALUES (?, ?)", [(n, "日本語") for n in range(3)]
        )
        assert connection.execute("UPDATE numbers SET word = ? WHERE n > ?", ("é", 0)) == 2
        assert connection.execute("DELETE FROM numbers WHERE n > ?", (100,)) == 0
    reading = database.reading()
    assert reading.row("SELECT word FROM numbers WHERE n = ?", (1,)) == ("é",)
    assert reading.row("SELECT word FROM numbers WHERE n = ?", (9,)) is None
    assert len(reading.rows("SELECT * FROM numbers")) == 3


def test_error_undoes_the_transaction(database: Database) -> None:
    """Any error in the block rolls the transaction back, and the next transaction works."""
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), database.transaction() as connection:  # noqa: PT012 -- all of it
            connection.execute("INSERT INTO numbers (n, word) VALUES (1, 'x')")
            raise error
        assert numbers(database) == []
    insert(database, 1)
    assert numbers(database) == [1]


def test_unfinished_rows_are_not_seen(database: Database) -> None:
    """Uncommitted rows are not visible, and a reader does not wait for a writer."""
    seen: list[list[int]] = []
    with database.transaction() as connection:
        connection.execute("INSERT INTO numbers (n, word) VALUES (1, 'x')")
        in_thread(database, lambda: seen.append(numbers(database))).join()
    assert seen == [[]]


def test_taken_key_is_a_unique_violation(database: Database) -> None:
    """An INSERT with a key in use raises `UniqueViolation`, and the transaction is rolled back."""
    insert(database, 1)
    with pytest.raises(UniqueViolation), database.transaction() as connection:  # noqa: PT012 -- all of it
        connection.execute("INSERT INTO numbers (n, word) VALUES (2, 'x')")
        connection.execute("INSERT INTO numbers (n, word) VALUES (1, 'x')")
    assert numbers(database) == [1]


def test_other_broken_rules_are_no_unique_violation(database: Database) -> None:
    """A missing value raises neither `UniqueViolation` nor `DatabaseUnavailable`."""
    with pytest.raises(Exception) as caught, database.transaction() as connection:
        connection.execute("INSERT INTO numbers (n, word) VALUES (1, NULL)")
    assert not isinstance(caught.value, UniqueViolation | DatabaseUnavailable)
    assert numbers(database) == []


def test_parameters_are_never_sql(database: Database) -> None:
    """Quotes, question marks and percent signs in parameters are stored unchanged."""
    nasty = "'; DROP TABLE numbers; -- ? %s %(x)s"
    with database.transaction() as connection:
        connection.execute("INSERT INTO numbers (n, word) VALUES (?, ?)", (1, nasty))
    assert database.reading().row("SELECT word FROM numbers") == (nasty,)


def test_missing_table_is_unavailable(database: Database) -> None:
    """A missing table raises `DatabaseUnavailable`, because a missing table means that no migration
    has run.
    """
    with pytest.raises(DatabaseUnavailable, match="absent"):
        database.reading().row("SELECT 1 FROM absent")


def test_writers_take_turns(database: Database) -> None:
    """If several threads change one row, no change is lost."""
    insert(database, 1)

    def count() -> None:
        for _ in range(10):
            with database.transaction() as connection:
                connection.execute("UPDATE numbers SET word = word || 'x' WHERE n = 1")

    threads = [in_thread(database, count) for _ in range(4)]
    for thread in threads:
        thread.join()
    assert database.reading().row("SELECT LENGTH(word) FROM numbers") == (41,)


HOLDER = """
import sys, time
from servicekit.database import open_database
with open_database(sys.argv[1]).transaction() as connection:
    connection.execute("UPDATE numbers SET word = 'held'")
    print("held", flush=True)
    time.sleep(60)
"""


def test_wait_for_another_process_is_bounded(database: Database, url: str) -> None:
    """A write to a row that another process has locked raises `DatabaseUnavailable` after a bounded
    wait, and reads continue.
    """
    insert(database, 1)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert numbers(database) == [1]
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable), database.transaction() as connection:
            connection.execute("UPDATE numbers SET word = 'mine'")
        assert time.monotonic() - started < BOUND_SECONDS
    finally:
        holder.kill()
        holder.communicate()
    with database.transaction() as connection:
        connection.execute("UPDATE numbers SET word = 'mine'")
    assert database.reading().row("SELECT word FROM numbers") == ("mine",)


def test_unknown_urls_are_refused() -> None:
    """An unknown kind of URL raises `SettingsError` without the password."""
    with pytest.raises(SettingsError) as caught:
        open_database("mysql://wharf:s3cret@host/db")
    assert "mysql" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_thread_that_leaves_disturbs_nobody(database: Database) -> None:
    """A thread closes its own connection while another thread continues its transaction."""
    left = threading.Event()

    def read_and_leave() -> None:
        assert numbers(database) == []
        database.leave()
        left.set()

    with database.transaction() as connection:
        connection.execute("INSERT INTO numbers (n, word) VALUES (1, 'x')")
        thread = threading.Thread(target=read_and_leave)
        thread.start()
        assert left.wait(60)
        connection.execute("INSERT INTO numbers (n, word) VALUES (2, 'x')")
    thread.join()
    assert numbers(database) == [1, 2]
