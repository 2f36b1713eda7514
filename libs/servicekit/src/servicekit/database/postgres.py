"""PostgreSQL with psycopg: each process has one pool of connections (psycopg_pool)."""

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
# The timeout for a server that hangs and does not end the statement after its own timeout. So this
# timeout is slightly longer than the server's.
ANSWER_SECONDS = 5.5
# Options to switch off. Every query of the services has an index with the rows in the right order.
# Without statistics, or in a prepared statement, the planner may prefer to read and sort all rows
# of a tenant. That may be faster today, but gets slower with each file. The option jit would
# compile plans with a high estimated cost, which takes longer than to run them.
_PLANNER = ("enable_seqscan", "enable_bitmapscan", "enable_sort", "jit")
# A cursor keeps its rows in memory until its next statement. After a result with more rows than
# this, the connection drops the cursor.
_FEW_ROWS = 100
# The longest wait for a connection of the pool; the pool needs less time to open one. After this
# time a thread tries to connect itself, to get the error.
_POOL_SECONDS = 0.1
T = TypeVar("T")
# The pool logs every connection that it lends and takes back. The request logs failures.
logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)


@functools.cache
def placeholders(sql: str) -> LiteralString:
    """Return a statement with the placeholders of psycopg instead of `?`."""
    return sql.replace("?", "%s")


def _translated(error: psycopg.Error) -> Exception:
    if isinstance(error, errors.UniqueViolation):
        return UniqueViolation(str(error))
    # A missing table means that the database is not migrated yet; SQLite reports the same error.
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | errors.UndefinedTable):
        return DatabaseUnavailable(str(error).strip())
    return error


class _BoundedConnection(psycopg.Connection[Row]):
    """A connection with a timeout for servers that do not respond, for instance after a crash."""

    # Creating a cursor takes a third of the time of a statement, so the connection keeps one.
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
        """Wait for the server with a timeout; psycopg has none."""
        try:
            return super().wait(gen, interval, ANSWER_SECONDS if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # A late response may still arrive, so the connection cannot be used any more.
                self.pgconn.finish()
            raise


_Pool = psycopg_pool.ConnectionPool[_BoundedConnection]


class _PostgresConnection:
    """A connection that is borrowed from the pool until `give_back`; it translates errors."""

    __slots__ = ("_cursor", "_pool", "raw")

    def __init__(self, pool: _Pool, raw: _BoundedConnection) -> None:
        self._pool, self.raw = pool, raw
        if raw.kept_cursor is None:
            raw.kept_cursor = raw.cursor()
        self._cursor = raw.kept_cursor

    def give_back(self) -> None:
        """Return the connection to the pool, which rolls back an open transaction."""
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
                cursor.executemany(placeholders(sql), cast("Iterable[Any]", parameters))
        except psycopg.Error as error:
            raise self._failed(error) from error

    def _run(self, sql: str, parameters: Sequence[object]) -> psycopg.Cursor[Row]:
        try:
            return self._cursor.execute(placeholders(sql), parameters)
        except psycopg.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: psycopg.Error) -> Exception:
        if self.raw.closed:
            self.raw.close()
        return _translated(error)


class PostgresDatabase:
    """A PostgreSQL database. `url` is a libpq URL; with `durable` false, commits are asynchronous.

    The pool of a process opens as many connections as are in use at the same time, but at most
    `most_connections`; then a thread waits for a free connection.
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
            # A peer that disappears without closing the connection must not block a request long.
            "tcp_user_timeout": STATEMENT_MILLISECONDS,
        }
        # The pool, and the id of the process that opened it.
        self._opened: tuple[_Pool, int] | None = None
        self._opening = threading.Lock()

    def reading(self) -> Connection:
        """Return a connection that runs each statement separately, outside any transaction."""
        return _Reading(self)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run a write transaction; see the contract."""
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
        """Borrow a connection and run `call`, its first statement; the caller has to return it.

        With `again`, try a second time with a new connection if the first connection is dead.
        """
        connection = self._taken()
        try:
            return connection, call(connection)
        except BaseException as error:
            connection.give_back()
            dead = isinstance(error, DatabaseUnavailable) and connection.raw.closed
            if not (dead and again):
                raise
        # The server was restarted, so the idle connections in the pool are also dead.
        self._pool().drain()
        return self.first(call, again=False)

    def _taken(self) -> _PostgresConnection:
        pool = self._pool()
        try:
            try:
                raw = pool.getconn(_POOL_SECONDS)
            except psycopg_pool.PoolTimeout:
                # The pool retries silently. This attempt raises the error.
                _BoundedConnection.connect(self._url, **self._settings).close()
                raw = pool.getconn(CONNECT_SECONDS)
        except psycopg_pool.PoolClosed:
            return self._taken()  # another thread has called `close`
        except psycopg.Error as error:
            raise _translated(error) from error
        return _PostgresConnection(pool, raw)

    def _pool(self) -> _Pool:
        """Return the pool of this process; the first call opens it and starts its threads.

        A forked process opens its own pool: it has none of its parent's threads, and it must not
        use connections of its parent.
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
            # The pool does not reconnect in the background: a thread that needs a connection asks.
            reconnect_timeout=0,
            open=True,
        )
        weakref.finalize(self, _close, pool, os.getpid())
        return pool

    def leave(self) -> None:
        """Do nothing, because connections belong to the pool and not to threads."""

    def close(self) -> None:
        """Close the pool; the next use opens a new one."""
        with self._opening:
            opened, self._opened = self._opened, None
        if opened is not None:
            _close(*opened)


def _close(pool: _Pool, process: int) -> None:
    if process == os.getpid():
        pool.close()


class _Reading:
    """A connection that borrows from the pool for each statement."""

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
