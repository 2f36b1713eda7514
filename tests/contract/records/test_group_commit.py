"""Group commit: changes that share a transaction have separate outcomes."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from servicekit.database import Connection, Database, DatabaseUnavailable
from servicekit.metric_buffers import MetricBuffer
from tests.servers.upload import faults_in_counts, new_file
from wharf_upload.database import file_changes, group_commit
from wharf_upload.database.group_commit import AfterCommit, BeforeCommit, GroupCommit
from wharf_upload.database.sql import SqlRecords
from wharf_upload.database.unit_of_work import Change, UnitOfWork
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.refusals import KeyTaken

Outcome = tuple[Any, BaseException | None]


class Group:
    """A runner that puts changes into one group: the first change waits until
    all others are queued.
    """

    def __init__(
        self,
        database: Database,
        before_commit: BeforeCommit | None = None,
        after_commit: AfterCommit | None = None,
    ) -> None:
        self._database = database
        self.commit = GroupCommit(database, before_commit, after_commit)

    def run(self, members: list[Change], blobs: list[list[tuple[str, str]]]) -> list[Outcome]:
        """Run the changes and return the result or the error of each."""
        outcomes: list[Outcome] = [(None, None)] * len(members)
        waiting = threading.Event()
        first = threading.Thread(target=self._run, args=(self._gate(waiting), [], [], 0))
        first.start()
        threads = [
            threading.Thread(target=self._run, args=(change, own, outcomes, number))
            for number, (change, own) in enumerate(zip(members, blobs, strict=True))
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 10
        while len(self.commit._waiting) < len(members) and time.monotonic() < deadline:
            time.sleep(0.001)
        waiting.set()
        for thread in (first, *threads):
            thread.join()
        return outcomes

    @staticmethod
    def _gate(waiting: threading.Event) -> Change:
        return lambda connection, ledger: waiting.wait(10)

    def _run(
        self, change: Change, blobs: list[tuple[str, str]], outcomes: list[Outcome], number: int
    ) -> None:
        outcome: Outcome
        try:
            outcome = (self.commit.run("demo", change, blobs), None)
        except BaseException as error:  # noqa: BLE001 -- the test checks it
            outcome = (None, error)
        if outcomes:
            outcomes[number] = outcome
        self._database.close()


def writing(key: str) -> Change:
    return file_changes.write(Write(files=(new_file(key),), on_conflict="error"))


def raising(error: BaseException) -> Change:
    def change(connection: Connection, ledger: UnitOfWork) -> None:
        # The change writes a row before it fails, and this row must be rolled back too.
        connection.execute("INSERT INTO doomed (blob, tenant, doomed_at) VALUES ('x', 'demo', 1)")
        raise error

    return change


def together(database: Database, *members: Change) -> list[Outcome]:
    return Group(database).run(list(members), [[] for _ in members])


def rows(database: Database, sql: str) -> list[Any]:
    return [row[0] for row in database.reading().rows(sql)]


@pytest.fixture
def group_sizes(monkeypatch: pytest.MonkeyPatch) -> MetricBuffer:
    """Put a metric buffer that is not exported in place of the buffer of group
    sizes, and return it.
    """
    monkeypatch.setattr(group_commit, "group_sizes", MetricBuffer())
    return group_commit.group_sizes


def test_own_outcomes(database: Database) -> None:
    """Each write of a group gets its own file or its own refusal. A refusal
    affects no other write.
    """
    keys = ["a", "b", "a", "c", "b"]
    outcomes = together(database, *(writing(key) for key in keys))
    stored = [result.files[0].key for result, error in outcomes if error is None]
    refused = [error.key for _, error in outcomes if isinstance(error, KeyTaken)]
    assert sorted(stored) == ["a", "b", "c"]
    assert sorted(refused) == ["a", "b"]
    assert rows(database, "SELECT key FROM files WHERE tenant = 'demo' ORDER BY key") == [
        "a",
        "b",
        "c",
    ]
    assert faults_in_counts(database) == []


def test_a_group_is_one_transaction(database: Database, group_sizes: MetricBuffer) -> None:
    """The changes of a group become visible at the same moment, and the metrics count them as one
    group.
    """
    seen: list[int] = []

    def look(connection: Connection, ledger: UnitOfWork) -> None:
        # Another connection sees no row yet.
        thread = threading.Thread(target=count)
        thread.start()
        thread.join()

    def count() -> None:
        seen.append(rows(database, "SELECT count(*) FROM files WHERE tenant = 'demo'")[0])
        database.close()

    together(database, writing("a"), writing("b"), look)
    assert seen == [0]
    assert list(group_sizes.drain()) == [((), 1), ((), 3)]
    assert rows(database, "SELECT count(*) FROM files WHERE tenant = 'demo'") == [2]


@pytest.mark.parametrize("error", [ValueError("poison"), ZeroDivisionError(), KeyError("x")])
def test_poison(database: Database, error: Exception) -> None:
    """A change that raises an error gets this error and leaves no row. The
    other changes are committed.
    """
    outcomes = together(database, writing("a"), raising(error), writing("b"))
    assert [failure for _, failure in outcomes] == [None, error, None]
    assert rows(database, "SELECT key FROM files WHERE tenant = 'demo' ORDER BY key") == ["a", "b"]
    assert rows(database, "SELECT blob FROM doomed") == []
    assert rows(database, "SELECT count(*) FROM events WHERE tenant = 'demo'") == [2]
    assert faults_in_counts(database) == []


def test_poison_for_one(database: Database) -> None:
    """A failing change does not affect the other change of a group of two."""
    error = ValueError("poison")
    outcomes = together(database, raising(error), writing("a"))
    assert [failure for _, failure in outcomes] == [error, None]
    assert rows(database, "SELECT key FROM files WHERE tenant = 'demo'") == ["a"]


def test_poisonous_sql(database: Database) -> None:
    """A statement that the database refuses affects neither the other changes of the group nor the
    connection.
    """

    def twice(connection: Connection, ledger: UnitOfWork) -> None:
        for _ in range(2):
            connection.execute(
                "INSERT INTO doomed (blob, tenant, doomed_at) VALUES ('x', 'demo', 1)"
            )

    outcomes = together(database, writing("a"), twice, writing("b"))
    assert [error is None for _, error in outcomes] == [True, False, True]
    assert rows(database, "SELECT key FROM files WHERE tenant = 'demo' ORDER BY key") == ["a", "b"]
    assert rows(database, "SELECT blob FROM doomed") == []


def test_unavailable_reaches_all(database: Database) -> None:
    """When the database becomes unavailable during a group, every member gets the
    error, without a retry.
    """
    calls: list[str] = []

    def fails(connection: Connection, ledger: UnitOfWork) -> None:
        calls.append("fails")
        raise DatabaseUnavailable("gone")

    outcomes = together(database, writing("a"), fails, writing("b"))
    assert all(isinstance(error, DatabaseUnavailable) for _, error in outcomes)
    assert calls == ["fails"]
    assert rows(database, "SELECT key FROM files WHERE tenant = 'demo'") == []


def test_names_that_are_not_durable(database: Database, group_sizes: MetricBuffer) -> None:
    """When blob names cannot be made durable, the whole group is refused and the
    sync is not retried.
    """
    calls: list[list[tuple[str, str]]] = []

    def before_commit(blobs: list[tuple[str, str]]) -> None:
        calls.append(blobs)
        raise OSError("fsync failed")

    blobs = [[("demo", key)] for key in "abc"]
    outcomes = Group(database, before_commit).run([writing(key) for key in "abc"], blobs)
    assert all(isinstance(error, OSError) for _, error in outcomes)
    assert [sorted(call) for call in calls] == [[("demo", "a"), ("demo", "b"), ("demo", "c")]]
    assert list(group_sizes.drain()) == [((), 1), ((), 3)]
    assert rows(database, "SELECT key FROM files WHERE tenant = 'demo'") == []


def test_durable_before_visible(database: Database) -> None:
    """Blob names are made durable before the rows that point to them are visible."""
    visible: list[int] = []

    def before_commit(blobs: list[tuple[str, str]]) -> None:
        visible.append(rows(database, "SELECT count(*) FROM files WHERE tenant = 'demo'")[0])

    Group(database, before_commit).run([writing("a"), writing("b")], [[("demo", "a")], []])
    assert visible == [0]


def test_names_of_all_files(database: Database) -> None:
    """The blobs of all files of a write are made durable before its commit, and a change without
    blobs syncs nothing.
    """
    calls: list[list[tuple[str, str]]] = []

    def before_commit(blobs: list[tuple[str, str]]) -> None:
        calls.append(blobs)

    records = SqlRecords(database, before_commit)
    files = (new_file("a"), new_file("b"))
    records.write(Write(files=files))
    assert calls == [[("demo", file.blob) for file in files]]
    records.delete("demo", "default", "a", None)
    assert len(calls) == 1


def test_each_tells_of_its_own(database: Database) -> None:
    """Each committed change of a group is reported once, and a refused change is not reported."""
    told: list[tuple[str, str, str]] = []
    group = Group(
        database, after_commit=lambda tenant, kind, file: told.append((tenant, kind, file.key))
    )
    group.run([writing(key) for key in "aabc"], [[]] * 4)
    assert sorted(told) == [("demo", "file.created", key) for key in "abc"]


def test_who_does_not_come(database: Database) -> None:
    """A write does not wait forever for a second writer that has announced
    itself but never writes.
    """
    records = SqlRecords(database)
    other = threading.Thread(target=records.announce)
    other.start()
    other.join(60)
    records.write(Write(files=(new_file("a"),)))
    assert records.file("demo", "default", "a") is not None


def test_alone(database: Database) -> None:
    """A single change commits alone, repeatedly, and also after an error."""
    group = GroupCommit(database)
    for number in range(3):
        group.run("demo", writing(str(number)))
        with pytest.raises(ZeroDivisionError):
            group.run("demo", raising(ZeroDivisionError()))
        with pytest.raises(KeyTaken):
            group.run("demo", writing(str(number)))
    assert len(rows(database, "SELECT key FROM files WHERE tenant = 'demo'")) == 3


def test_more_than_a_group(database: Database) -> None:
    """More changes than one group takes are all committed, in several groups."""
    numbers = range(150)
    outcomes = together(database, *(writing(str(number)) for number in numbers))
    assert [error for _, error in outcomes] == [None] * 150
    assert len(rows(database, "SELECT key FROM files WHERE tenant = 'demo'")) == 150
    assert faults_in_counts(database) == []


def test_leaders_error_frees_the_next(database: Database) -> None:
    """After the group of a leader has failed, the next change is committed."""
    group = Group(database)
    ((_, error),) = group.run([raising(KeyboardInterrupt())], [[]])
    assert isinstance(error, KeyboardInterrupt)
    ((_, error),) = group.run([writing("a")], [[]])
    assert error is None


def test_who_hears_of_a_commit(database: Database) -> None:
    """Before a commit the blobs are made durable. After the commit, the tenant and each change are
    reported.
    """
    told: list[object] = []
    records = SqlRecords(
        database,
        lambda blobs: told.append(("durable", *blobs)),
        lambda tenant, kind, file: told.append((tenant, kind, file)),
        has_events=lambda tenant: told.append(("new", tenant)),
    )
    files = new_file("a"), new_file("b")
    records.write(Write(files=files))
    assert told == [
        ("durable", *(("demo", file.blob) for file in files)),
        ("new", "demo"),
        *(("demo", "file.created", file) for file in files),
    ]
