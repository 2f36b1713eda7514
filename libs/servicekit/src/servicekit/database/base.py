"""The contract of a database, its errors and its metric buffers."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from servicekit.metric_buffers import Level, MetricBuffer

# Of SQLite, where nothing else is asked for.
PAGE_BYTES = 4096
Row = tuple[Any, ...]

UNAVAILABLE, OUT_OF_SPACE, OUTCOME_UNKNOWN = "unavailable", "out_of_space", "outcome_unknown"
ERROR_KINDS = (UNAVAILABLE, OUT_OF_SPACE, OUTCOME_UNKNOWN)
# Of one process to PostgreSQL, unless a caller says another number: more than it has threads, so
# that no thread waits for the connection of another one.
MOST_CONNECTIONS = 100

# What implementations measure.
errors = MetricBuffer()
"""Errors by kind."""
transactions = MetricBuffer()
"""Seconds of write transactions, without what they waited for."""
waits = MetricBuffer()
"""Seconds of waiting for the writer's turn, or for a connection."""
connections = Level()
"""Open connections of this process."""


class DatabaseUnavailable(Exception):
    """Locked for too long, out of reach, or out of space. Nothing was changed."""

    kind = UNAVAILABLE

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        errors.note(((self.kind,), 1))


class OutOfSpace(DatabaseUnavailable):
    """The database's disk is full. Nothing was changed, not even by a commit that says so."""

    kind = OUT_OF_SPACE


class OutcomeUnknown(DatabaseUnavailable):
    """The commit itself failed: the change may or may not be there."""

    kind = OUTCOME_UNKNOWN


class UniqueViolation(Exception):
    """A row with this key is there already. The transaction must be given up."""


class Connection(Protocol):
    """Runs statements; raises `DatabaseUnavailable` and `UniqueViolation`."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """All rows of a query."""

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        """The first row of a query."""

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Runs a statement; the number of rows it changed."""

    def execute_many(self, sql: str, parameters: Iterable[Sequence[object]]) -> None:
        """Runs a statement once per sequence of parameters."""


class Database(Protocol):
    """Connections are opened when they are first used: a fork before that inherits none."""

    dialect: str

    def reading(self) -> Connection:
        """A connection outside any transaction. Sees what is committed."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """A write transaction: committed durably at the end of the block, undone on an error.

        A commit that fails raises `OutcomeUnknown`. On SQLite writers of all processes take
        turns; the wait is bounded, then `DatabaseUnavailable` is raised.
        """

    def leave(self) -> None:
        """Closes what is the calling thread's alone, before it ends; others go on."""

    def close(self) -> None:
        """Closes the calling thread's connection, or the pool; the next use opens another."""


def commit(connection: Connection) -> None:
    """Commits; raises `OutOfSpace` or, when it fails otherwise, `OutcomeUnknown`."""
    try:
        connection.execute("COMMIT")
    except OutOfSpace:
        raise
    except DatabaseUnavailable as error:
        raise OutcomeUnknown(str(error)) from error


def count_while_alive(connection: object) -> Callable[[], object]:
    """Count a connection in `connections` for as long as the object lives.

    Return a function that ends this earlier, when the connection is closed. It may be called twice.
    """
    connections.begin(None)
    ended = weakref.finalize(connection, connections.end)
    # Not at the exit: the process's numbers end with it.
    ended.atexit = False
    return ended
