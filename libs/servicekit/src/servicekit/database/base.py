"""The contract of a database, its errors and its metric buffers."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from servicekit.metric_buffers import Level, MetricBuffer

# The default page size of SQLite.
PAGE_BYTES = 4096
Row = tuple[Any, ...]
Statement = tuple[str, tuple[object, ...]]
"""A statement with the placeholder `?`, and its parameters."""

UNAVAILABLE, OUT_OF_SPACE, OUTCOME_UNKNOWN = "unavailable", "out_of_space", "outcome_unknown"
ERROR_KINDS = (UNAVAILABLE, OUT_OF_SPACE, OUTCOME_UNKNOWN)
# The default for the most connections of one process to PostgreSQL. A process has fewer threads, so
# that no thread waits for a connection.
MOST_CONNECTIONS = 100

# The implementations note their measurements in these buffers.
errors = MetricBuffer()
"""Errors by kind."""
transactions = MetricBuffer()
"""Seconds of write transactions, without the wait for their turn or for a connection."""
waits = MetricBuffer()
"""Seconds that write transactions waited for their turn, or for a connection."""
connections = Level()
"""Open connections of this process."""


class DatabaseUnavailable(Exception):
    """The database is locked for too long, unreachable or out of space; nothing was changed."""

    kind = UNAVAILABLE

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        errors.note(((self.kind,), 1))


class OutOfSpace(DatabaseUnavailable):
    """The database's disk is full; nothing was changed, even if the commit raises this error."""

    kind = OUT_OF_SPACE


class OutcomeUnknown(DatabaseUnavailable):
    """The commit failed, so the transaction may or may not have changed the database."""

    kind = OUTCOME_UNKNOWN


class UniqueViolation(Exception):
    """A row with this key exists already; the caller has to abandon the transaction."""


class Connection(Protocol):
    """A connection to a database; its calls raise `DatabaseUnavailable` and `UniqueViolation`."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query."""

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        """Return the first row of a query, or `None`."""

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement; return the number of rows that it changed."""

    def execute_many(self, sql: str, parameters: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each sequence of parameters."""


class Database(Protocol):
    """A database.

    The first use of the object opens a connection, so processes that fork earlier share none.
    """

    dialect: str

    def reading(self) -> Connection:
        """Return a connection outside any transaction; it reads committed data."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """Run a write transaction: commit it durably at the end of the block, or undo it on error.

        A commit that fails raises `OutOfSpace` or `OutcomeUnknown`. On SQLite only one process
        writes at a time; if the wait takes too long, the call raises `DatabaseUnavailable`.
        """

    def leave(self) -> None:
        """Close the connections of the calling thread; call this before the thread ends."""

    def close(self) -> None:
        """Close the thread's connections (SQLite) or the pool; the next use opens new ones."""


def commit(connection: Connection) -> None:
    """Commit; raise `OutOfSpace`, or `OutcomeUnknown` for any other failure."""
    try:
        connection.execute("COMMIT")
    except OutOfSpace:
        raise
    except DatabaseUnavailable as error:
        raise OutcomeUnknown(str(error)) from error


def count_while_alive(connection: object) -> Callable[[], object]:
    """Count a connection in `connections` for as long as the object lives.

    Return a function that ends the count earlier, when the connection is closed. The function may
    be called twice.
    """
    connections.begin(None)
    ended = weakref.finalize(connection, connections.end)
    # Do not call it at the exit of the process: the gauge ends with the process.
    ended.atexit = False
    return ended
