"""SQLite in WAL mode: one file, many readers, writers in turn."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from servicekit import file_lock
from servicekit.database import base
from servicekit.database.base import (
    PAGE_BYTES,
    Connection,
    DatabaseUnavailable,
    OutOfSpace,
    Row,
    UniqueViolation,
    commit,
)

WAIT_SECONDS = 2.0
# Pages are in the system's cache: a copy for each thread that reads costs memory and little else.
# What a transaction changes should fit, or it is written to the log before its end.
_READING_CACHE_KIB, _WRITING_CACHE_KIB = 64, 1024


def _translated(error: sqlite3.Error) -> Exception:
    if isinstance(error, sqlite3.IntegrityError) and "UNIQUE" in str(error):
        return UniqueViolation(str(error))
    # Frames that found no room end without a commit mark: at a COMMIT, too, the outcome is known.
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return OutOfSpace(str(error))
    if isinstance(error, sqlite3.OperationalError):
        return DatabaseUnavailable(str(error))
    return error


class _SqliteConnection:
    """One `sqlite3` connection with errors translated."""

    def __init__(self, path: str, synchronous: str, cache_kib: int, page_bytes: int) -> None:
        try:
            self.raw = raw = sqlite3.connect(
                path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            if page_bytes != PAGE_BYTES:
                # Of a file that is there already it changes nothing.
                raw.execute(f"PRAGMA page_size={page_bytes}")
            raw.execute("PRAGMA journal_mode=WAL")
            # With NORMAL, committed rows are lost at a power cut (docs/adr/0004).
            raw.execute(f"PRAGMA synchronous={synchronous}")
            raw.execute("PRAGMA foreign_keys=ON")
            raw.execute(f"PRAGMA cache_size=-{cache_kib}")
            # In pages: rarer checkpoints write what changes all the time less often.
            raw.execute("PRAGMA wal_autocheckpoint=8000")
            base.count_while_alive(self)
        except sqlite3.Error as error:
            raise _translated(error) from error

    def __del__(self) -> None:
        """Closes the connection of a thread that has ended; Python warns of one left open."""
        if hasattr(self, "raw"):
            self.raw.close()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        try:
            return self.raw.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _translated(error) from error

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        try:
            cursor = self.raw.execute(sql, parameters)
            row: Row | None = cursor.fetchone()
            # A statement left open would keep its snapshot: later reads would see old rows.
            cursor.close()
            return row
        except sqlite3.Error as error:
            raise _translated(error) from error

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        try:
            return self.raw.execute(sql, parameters).rowcount
        except sqlite3.Error as error:
            raise _translated(error) from error

    def execute_many(self, sql: str, parameters: Iterable[Sequence[object]]) -> None:
        try:
            self.raw.executemany(sql, parameters)
        except sqlite3.Error as error:
            raise _translated(error) from error


class SqliteDatabase:
    """`path` is the file, of pages of `page_bytes`; `durable` false gives up fsync for speed."""

    dialect = "sqlite"

    def __init__(self, path: Path, *, durable: bool = True, page_bytes: int = PAGE_BYTES) -> None:
        self._path, self._page_bytes = path, page_bytes
        self._synchronous = "FULL" if durable else "OFF"
        self._local = threading.local()
        # The one connection that writes: threads take turns anyway.
        self._writing: _SqliteConnection | None = None
        self._turn = threading.Lock()
        self._turn_file: tuple[int, int] | None = None

    def reading(self) -> Connection:
        """The calling thread's connection."""
        connection: _SqliteConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._open(_READING_CACHE_KIB)
        return connection

    def connections(self) -> tuple[_SqliteConnection, _SqliteConnection]:
        """The two that the calling thread uses: its own for reading, and the one that writes."""
        self.reading()
        with self._writers_turn():
            self._writing = self._writing or self._open(_WRITING_CACHE_KIB)
            return self._local.connection, self._writing

    def _open(self, cache_kib: int) -> _SqliteConnection:
        return _SqliteConnection(str(self._path), self._synchronous, cache_kib, self._page_bytes)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A write transaction; see the contract."""
        asked = time.perf_counter()
        with self._writers_turn():
            begun = time.perf_counter()
            base.waits.note(((), begun - asked))
            connection = self._writing = self._writing or self._open(_WRITING_CACHE_KIB)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                commit(connection)
            except BaseException:
                self._undo(connection)
                raise
            finally:
                base.transactions.note(((), time.perf_counter() - begun))

    def _undo(self, connection: _SqliteConnection) -> None:
        """Ends a transaction that failed; the reason why it failed matters more than this."""
        try:
            if connection.raw.in_transaction:
                connection.raw.execute("ROLLBACK")
        except sqlite3.Error:
            with suppress(sqlite3.Error):
                connection.raw.close()
            self._writing = None

    @contextmanager
    def _writers_turn(self) -> Iterator[None]:
        """Writers of all processes queue here: SQLite's own waiting sleeps up to 100 ms a step."""
        if not self._turn.acquire(timeout=WAIT_SECONDS):
            raise DatabaseUnavailable("another writer holds the database")
        try:
            descriptor = self._turn_descriptor()
            if not file_lock.take(descriptor, WAIT_SECONDS):
                raise DatabaseUnavailable("another writer holds the database")
            try:
                yield
            finally:
                file_lock.give_back(descriptor)
        finally:
            self._turn.release()

    def _turn_descriptor(self) -> int:
        # A descriptor inherited over a fork would share its lock with the parent: open our own.
        if self._turn_file is None or self._turn_file[0] != os.getpid():
            flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
            try:
                descriptor = os.open(f"{self._path}-writer", flags, 0o600)
            except OSError as error:
                raise DatabaseUnavailable(f"cannot open the database: {error.strerror}") from error
            self._turn_file = (os.getpid(), descriptor)
        return self._turn_file[1]

    def leave(self) -> None:
        """Closes the calling thread's connection."""
        connection: _SqliteConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.raw.close()
            self._local.connection = None

    def close(self) -> None:
        """Closes the calling thread's connection, and the one that writes if it is idle."""
        self.leave()
        if self._turn.acquire(blocking=False):
            try:
                self._close_writing()
            finally:
                self._turn.release()

    def _close_writing(self) -> None:
        if self._writing is not None:
            self._writing.raw.close()
            self._writing = None
        if self._turn_file is not None and self._turn_file[0] == os.getpid():
            os.close(self._turn_file[1])
            self._turn_file = None
