"""PostgreSQL through psycopg: each process has one pool of connections, by psycopg_pool."""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, TypeVar, cast

import psycopg
import psycopg_pool
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

from servicekit.database import base
from servicekit.database.base import (
    Connection,
    DatabaseUnavailable,
    Row,
    UniqueViolation,
    commit,
)

CONNECT_SECONDS = 2
STATEMENT_MILLISECONDS = 5000
# A little longer than the server's own bound: for a server that hangs and keeps none.
ANSWER_SECONDS = 5.5
# Every query of the services has an index that finds its rows in their order. Without statistics,
# or without the parameters (a prepared statement), the planner may find reading and sorting all of
# a tenant's rows cheaper: true today, and slower with each file. A plan that costs much, as it
# thinks, would be compiled for longer than it runs.
_PLANNER = ("enable_seqscan", "enable_bitmapscan", "enable_sort", "jit")
# A cursor keeps the rows that it has found until its next statement.
_FEW_ROWS = 100
# Longer than the pool takes to open a connection; whoever waits so long finds out what is wrong.
_POOL_SECONDS = 0.1
T = TypeVar("T")
# It tells of every connection that it gives and takes. What fails is told by the request.
logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)


@functools.cache
def _placeholders(sql: str) -> LiteralString:
    return sql.replace("?", "%s")


def _translated(error: psycopg.Error) -> Exception:
    if isinstance(error, errors.UniqueViolation):
        return UniqueViolation(str(error))
    # A missing table is a database that nobody has migrated yet; SQLite reports it the same way.
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | errors.UndefinedTable):
        return DatabaseUnavailable(str(error).strip())
    return error


class _BoundedConnection(psycopg.Connection[Row]):
    """Gives up a server that does not answer at all: frozen, or behind a dead network."""

    # To make a cursor takes a third of the time of a statement.
    kept_cursor: psycopg.Cursor[Row] | None = None
    _counted: Callable[[], object] | None = None

    def count(self) -> None:
        """Count this connection among those of the process until it is closed."""
        self._counted = base.count_while_alive(self)

    def close(self) -> None:
        """Close the connection and forget its cursor, which refers to it.

        The object itself may live on: the traceback of an error can refer to it.
        """
        self.kept_cursor = None
        super().close()
        if self._counted is not None:
            self._counted()

    def wait(
        self,
        gen: PQGen[Any],
        interval: float = 0.1,
        timeout: float | None = None,
    ) -> Any:
        """Waits for the server; psycopg has no bound of its own."""
        try:
            return super().wait(gen, interval, ANSWER_SECONDS if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # An answer may still come: this connection is of no more use.
                self.pgconn.finish()
            raise


_Pool = psycopg_pool.ConnectionPool[_BoundedConnection]


class _PostgresConnection:
    """A connection of the pool, with errors translated, until `give_back`."""

    __slots__ = ("_cursor", "_pool", "raw")

    def __init__(self, pool: _Pool, raw: _BoundedConnection) -> None:
        self._pool, self.raw = pool, raw
        if raw.kept_cursor is None:
            raw.kept_cursor = raw.cursor()
        self._cursor = raw.kept_cursor

    def give_back(self) -> None:
        """Ends the use; the pool rolls back what is open and closes what is broken."""
        self._pool.putconn(self.raw)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        found = self._run(sql, parameters).fetchall()
        if len(found) > _FEW_ROWS:
            self.raw.kept_cursor = None
        return found

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        return self._run(sql, parameters).fetchone()

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        return self._run(sql, parameters).rowcount

    def execute_many(self, sql: str, parameters: Iterable[Sequence[object]]) -> None:
        try:
            with self.raw.cursor() as cursor:
                cursor.executemany(_placeholders(sql), cast("Iterable[Any]", parameters))
        except psycopg.Error as error:
            raise self._failed(error) from error

    def _run(self, sql: str, parameters: Sequence[object]) -> psycopg.Cursor[Row]:
        try:
            return self._cursor.execute(_placeholders(sql), parameters)
        except psycopg.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: psycopg.Error) -> Exception:
        if self.raw.closed:
            self.raw.close()
        return _translated(error)


class PostgresDatabase:
    """`url` is a libpq URL; `durable` false commits asynchronously.

    The pool of a process opens as many connections as are in use at the same time, and no more than
    `most_connections`: above that a thread waits for one.
    """

    dialect = "postgresql"

    def __init__(
        self, url: str, *, durable: bool = True, most_connections: int = base.MOST_CONNECTIONS
    ) -> None:
        self._url, self._most_connections = url, most_connections
        self._settings: dict[str, Any] = {
            "autocommit": True,
            "connect_timeout": CONNECT_SECONDS,
            "options": f"-c statement_timeout={STATEMENT_MILLISECONDS}"
            f" -c lock_timeout={STATEMENT_MILLISECONDS}"
            f" -c synchronous_commit={'on' if durable else 'off'}"
            + "".join(f" -c {name}=off" for name in _PLANNER),
            # A peer that vanishes without a word must not hold a request for hours.
            "tcp_user_timeout": STATEMENT_MILLISECONDS,
        }
        # The pool, and the process that has it.
        self._opened: tuple[_Pool, int] | None = None
        self._opening = threading.Lock()

    def reading(self) -> Connection:
        """For each statement a connection of its own, outside any transaction."""
        return _Reading(self)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A write transaction; see the contract."""
        asked = time.perf_counter()
        connection, _ = self.first(lambda taken: taken.execute("BEGIN"))
        begun = time.perf_counter()
        base.waits.note(((), begun - asked))
        try:
            yield connection
            commit(connection)
        finally:
            connection.give_back()
            base.transactions.note(((), time.perf_counter() - begun))

    def first(
        self, call: Callable[[_PostgresConnection], T], *, again: bool = True
    ) -> tuple[_PostgresConnection, T]:
        """Takes a connection and calls for its first statement; the caller gives it back.

        With `again`, once more on a new connection where this one turns out to be dead.
        """
        connection = self._taken()
        try:
            return connection, call(connection)
        except BaseException as error:
            connection.give_back()
            dead = isinstance(error, DatabaseUnavailable) and connection.raw.closed
            if not (dead and again):
                raise
        # The server was restarted: those that wait in the pool are dead, too.
        self._pool().drain()
        return self.first(call, again=False)

    def _taken(self) -> _PostgresConnection:
        pool = self._pool()
        try:
            try:
                raw = pool.getconn(_POOL_SECONDS)
            except psycopg_pool.PoolTimeout:
                # The pool tries again and again, and says nothing; this attempt ends with an error.
                _BoundedConnection.connect(self._url, **self._settings).close()
                raw = pool.getconn(CONNECT_SECONDS)
        except psycopg_pool.PoolClosed:
            return self._taken()  # by another thread, with `close`
        except psycopg.Error as error:
            raise _translated(error) from error
        return _PostgresConnection(pool, raw)

    def _pool(self) -> _Pool:
        """The pool of this process; its threads begin when it is first asked for.

        A child of a fork makes its own: it has none of its parent's threads, and must not use its
        connections.
        """
        opened = self._opened
        if opened is None or opened[1] != os.getpid():
            with self._opening:
                opened = self._opened
                if opened is None or opened[1] != os.getpid():
                    opened = self._opened = (self._new_pool(), os.getpid())
        return opened[0]

    def _new_pool(self) -> _Pool:
        pool = _Pool(
            self._url,
            connection_class=_BoundedConnection,
            kwargs=self._settings,
            configure=_BoundedConnection.count,
            min_size=0,
            max_size=self._most_connections,
            num_workers=1,
            # Whoever needs a connection asks for one: nothing is tried while nobody does.
            reconnect_timeout=0,
            open=True,
        )
        weakref.finalize(self, _close, pool, os.getpid())
        return pool

    def leave(self) -> None:
        """Closes nothing: threads take connections from the pool, and give them back."""

    def close(self) -> None:
        """Closes the pool; whoever asks again opens another one."""
        with self._opening:
            opened, self._opened = self._opened, None
        if opened is not None:
            _close(*opened)


def _close(pool: _Pool, process: int) -> None:
    if process == os.getpid():
        pool.close()


class _Reading:
    """Gives each connection back after one statement."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        return self._once(lambda taken: taken.rows(sql, parameters))

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        return self._once(lambda taken: taken.row(sql, parameters))

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        with self._database.transaction() as connection:
            return connection.execute(sql, parameters)

    def execute_many(self, sql: str, parameters: Iterable[Sequence[object]]) -> None:
        with self._database.transaction() as connection:
            connection.execute_many(sql, parameters)

    def _once(self, call: Callable[[_PostgresConnection], T]) -> T:
        connection, result = self._database.first(call)
        connection.give_back()
        return result
