"""SQLite in WAL mode: one file, many concurrent readers, and one writer at a time."""

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
# The system caches pages, so a large cache for each reading thread would waste memory. The changes
# of a transaction should fit into the writer's cache; otherwise SQLite logs them early.
_READING_CACHE_KIB, _WRITING_CACHE_KIB = 64, 1024


def _translated(error: sqlite3.Error) -> Exception:
    if isinstance(error, sqlite3.IntegrityError) and "UNIQUE" in str(error):
        return UniqueViolation(str(error))
    # If the disk is full, the log has no commit mark. So the outcome is known even for a COMMIT.
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return OutOfSpace(str(error))
    if isinstance(error, sqlite3.OperationalError):
        return DatabaseUnavailable(str(error))
    return error


class _SqliteConnection:
    """One `sqlite3` connection; it translates errors."""

    def __init__(self, path: str, synchronous: str, cache_kib: int, page_bytes: int) -> None:
        try:
            self.raw = raw = sqlite3.connect(
                path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            if page_bytes != PAGE_BYTES:
                # The size of pages has no effect on an existing file.
                raw.execute(f"PRAGMA page_size={page_bytes}")
            raw.execute("PRAGMA journal_mode=WAL")
            # With NORMAL, committed rows are lost at a power cut (docs/adr/0004).
            raw.execute(f"PRAGMA synchronous={synchronous}")
            raw.execute("PRAGMA foreign_keys=ON")
            raw.execute(f"PRAGMA cache_size=-{cache_kib}")
            # The number of pages between checkpoints. With rarer checkpoints, a page that changes
            # often is written less often.
            raw.execute("PRAGMA wal_autocheckpoint=8000")
            base.count_while_alive(self)
        except sqlite3.Error as error:
            raise _translated(error) from error

    def __del__(self) -> None:
        """Close the connection of a thread that has ended, since Python warns about open ones."""
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
            # An open statement would keep its snapshot, so that later reads would return old rows.
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
    """An SQLite database in the file `path`, with pages of `page_bytes`.

    With `durable` false, commits are faster because they do not call fsync.
    """

    dialect = "sqlite"

    def __init__(self, path: Path, *, durable: bool = True, page_bytes: int = PAGE_BYTES) -> None:
        self._path, self._page_bytes = path, page_bytes
        self._synchronous = "FULL" if durable else "OFF"
        self._local = threading.local()
        # The only connection that writes, for all threads: only one thread writes at a time.
        self._writing: _SqliteConnection | None = None
        self._turn = threading.Lock()
        self._turn_file: tuple[int, int] | None = None

    def reading(self) -> Connection:
        """Return the reading connection of the calling thread."""
        connection: _SqliteConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._open(_READING_CACHE_KIB)
        return connection

    def connections(self) -> tuple[_SqliteConnection, _SqliteConnection]:
        """Return the two connections of the calling thread: for reading, and the shared writer."""
        self.reading()
        with self._writers_turn():
            self._writing = self._writing or self._open(_WRITING_CACHE_KIB)
            return self._local.connection, self._writing

    def _open(self, cache_kib: int) -> _SqliteConnection:
        return _SqliteConnection(str(self._path), self._synchronous, cache_kib, self._page_bytes)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run a write transaction; see the contract."""
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
        """Roll back a failed transaction; suppress errors, so that the first error is raised."""
        try:
            if connection.raw.in_transaction:
                connection.raw.execute("ROLLBACK")
        except sqlite3.Error:
            with suppress(sqlite3.Error):
                connection.raw.close()
            self._writing = None

    @contextmanager
    def _writers_turn(self) -> Iterator[None]:
        """Wait for the writer's turn with a file lock, which all processes use.

        SQLite's own wait would sleep in steps of up to 100 ms.
        """
        if not self._turn.acquire(timeout=WAIT_SECONDS):
            raise DatabaseUnavailable("another process or thread writes to the database")
        try:
            descriptor = self._turn_descriptor()
            if not file_lock.take(descriptor, WAIT_SECONDS):
                raise DatabaseUnavailable("another process or thread writes to the database")
            try:
                yield
            finally:
                file_lock.give_back(descriptor)
        finally:
            self._turn.release()

    def _turn_descriptor(self) -> int:
        # An inherited descriptor shares its lock with the parent process, so a child opens its own.
        if self._turn_file is None or self._turn_file[0] != os.getpid():
            flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
            try:
                descriptor = os.open(f"{self._path}-writer", flags, 0o600)
            except OSError as error:
                raise DatabaseUnavailable(f"cannot open the database: {error.strerror}") from error
            self._turn_file = (os.getpid(), descriptor)
        return self._turn_file[1]

    def leave(self) -> None:
        """Close the calling thread's connection."""
        connection: _SqliteConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.raw.close()
            self._local.connection = None

    def close(self) -> None:
        """Close the calling thread's connection, and the writing connection if it is idle."""
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
