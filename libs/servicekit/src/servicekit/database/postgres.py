"""PostgreSQL through psycopg: one connection per thread, so the pool is sized to the workers."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, TypeVar, cast

import psycopg
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
T = TypeVar("T")


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


class _PostgresConnection:
    """One psycopg connection with errors translated."""

    def __init__(self, url: str, *, durable: bool) -> None:
        try:
            self.raw = _BoundedConnection.connect(
                url,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                options=f"-c statement_timeout={STATEMENT_MILLISECONDS}"
                f" -c lock_timeout={STATEMENT_MILLISECONDS}"
                f" -c synchronous_commit={'on' if durable else 'off'}"
                + "".join(f" -c {name}=off" for name in _PLANNER),
                # A peer that vanishes without a word must not hold a request for hours.
                tcp_user_timeout=STATEMENT_MILLISECONDS,
            )
        except psycopg.Error as error:
            raise _translated(error) from error
        base.count_while_alive(self)

    def __del__(self) -> None:
        """Closes the connection of a thread that has ended; psycopg warns of one left open."""
        if hasattr(self, "raw"):
            self.raw.close()

    def _run(self, sql: str, parameters: Sequence[object]) -> psycopg.Cursor[Row]:
        try:
            return self.raw.execute(_placeholders(sql), parameters)
        except psycopg.Error as error:
            raise _translated(error) from error

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        return self._run(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        return self._run(sql, parameters).fetchone()

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        return self._run(sql, parameters).rowcount

    def execute_many(self, sql: str, parameters: Iterable[Sequence[object]]) -> None:
        try:
            with self.raw.cursor() as cursor:
                cursor.executemany(_placeholders(sql), cast("Iterable[Any]", parameters))
        except psycopg.Error as error:
            raise _translated(error) from error


class PostgresDatabase:
    """`url` is a libpq URL; `durable` false commits asynchronously."""

    dialect = "postgresql"

    def __init__(self, url: str, *, durable: bool = True) -> None:
        self._url, self._durable = url, durable
        self._local = threading.local()

    def reading(self) -> Connection:
        """The calling thread's connection, checked to be alive by its first statement."""
        return _Retrying(self)

    def connection(self, *, fresh: bool = False) -> _PostgresConnection:
        """The thread's connection; `fresh` replaces one that turned out to be broken."""
        current: _PostgresConnection | None = getattr(self._local, "connection", None)
        if current is not None and (fresh or current.raw.closed or current.raw.broken):
            current.raw.close()
            current = None
        if current is None:
            current = self._local.connection = _PostgresConnection(self._url, durable=self._durable)
        return current

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A write transaction; see the contract."""
        asked = time.perf_counter()
        connection = self.connection()
        try:
            connection.execute("BEGIN")
        except DatabaseUnavailable:
            # The server was restarted since this thread last spoke to it.
            connection = self.connection(fresh=True)
            connection.execute("BEGIN")
        begun = time.perf_counter()
        base.waits.note(((), begun - asked))
        try:
            yield connection
            commit(connection)
        except BaseException:
            if not connection.raw.closed:
                try:
                    connection.raw.execute("ROLLBACK")
                except psycopg.Error:
                    connection.raw.close()
            raise
        finally:
            base.transactions.note(((), time.perf_counter() - begun))

    def close(self) -> None:
        """Closes the calling thread's connection."""
        current: _PostgresConnection | None = getattr(self._local, "connection", None)
        if current is not None:
            current.raw.close()
            self._local.connection = None


class _Retrying:
    """Reads repeat once on a new connection when the old one turns out to be dead."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        return self._once_more(lambda c: c.rows(sql, parameters))

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        return self._once_more(lambda c: c.row(sql, parameters))

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        return self._database.connection().execute(sql, parameters)

    def execute_many(self, sql: str, parameters: Iterable[Sequence[object]]) -> None:
        self._database.connection().execute_many(sql, parameters)

    def _once_more(self, call: Callable[[_PostgresConnection], T]) -> T:
        connection = self._database.connection()
        try:
            return call(connection)
        except DatabaseUnavailable:
            if not (connection.raw.closed or connection.raw.broken):
                raise
            return call(self._database.connection(fresh=True))
