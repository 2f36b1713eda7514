"""The records of login tries in SQLite or PostgreSQL (ADR 65).

With SQLite the records are in a separate database file, which is never synced to disk. With
PostgreSQL the records are in an unlogged table of the main database (migration 0006).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

from servicekit.database import Connection, Database
from wharf_auth.database.tries_contract import Crowding, Failures, Judge, NetworkCrowded, Pair
from wharf_auth.domain.login_delays import FORGOTTEN_AFTER_MILLISECONDS

# An arbitrary number: no other code may use it as the first number of a PostgreSQL advisory lock.
_LOCK_CLASS = 0x74726965
_TURN = (
    f"SELECT pg_advisory_xact_lock({_LOCK_CLASS}, ?), set_config('synchronous_commit', 'off', true)"
)
_NO_WAIT = "SELECT set_config('synchronous_commit', 'off', true)"
_SIGNED = 1 << 31
_TABLE = (
    "CREATE TABLE IF NOT EXISTS login_tries (account TEXT NOT NULL, network TEXT NOT NULL, "
    "failures INTEGER NOT NULL, failed_at INTEGER NOT NULL, PRIMARY KEY (account, network)) "
    "WITHOUT ROWID"
)
_INDEX = "CREATE INDEX IF NOT EXISTS login_tries_by_network ON login_tries (network, failed_at)"
_SELECT = "SELECT failures, failed_at FROM login_tries WHERE account = ? AND network = ?"
_COUNT = (
    "INSERT INTO login_tries (account, network, failures, failed_at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (account, network) DO UPDATE SET failures = excluded.failures, "
    "failed_at = excluded.failed_at"
)
_NTH_OF_NETWORK = (
    "SELECT failed_at FROM login_tries WHERE network = ? AND failed_at > ? "
    "ORDER BY failed_at DESC LIMIT 1 OFFSET ?"
)
# If a later try was counted before this try is taken back, the row keeps the later try's time.
_TAKE_BACK = (
    "UPDATE login_tries SET failures = failures - 1, "
    "failed_at = CASE WHEN failed_at = ? THEN ? ELSE failed_at END "
    "WHERE account = ? AND network = ?"
)
_DELETE = "DELETE FROM login_tries WHERE account = ? AND network = ?"
# A pair needs no row after all its tries were taken back.
_DELETE_EMPTY = f"{_DELETE} AND failures <= 0"
_FORGOTTEN, _LEAST = "WHERE failed_at < ?", "ORDER BY failures, failed_at"
# Pruning removes this part of the limit (1/20) in addition, so that it need not run again soon.
_PRUNED_PART = 20
# `site_of` returns texts such as `2001:db8::/48`; a network has no slash.
_SITES = "%/%"
_READ_AT_ONCE, _REMOVED_AT_ONCE = 20_000, 1000


class SqlLoginTries:
    """The SQL implementation of `LoginTries`.

    `makes_table` tells that no migration creates the table, so the first call creates it.
    """

    def __init__(self, database: Database, *, makes_table: bool = False) -> None:
        self._database, self._makes_table = database, makes_table
        self._is_postgres = database.dialect == "postgresql"

    def count(
        self, pair: Pair, now: int, judge: Judge, crowding: Crowding | None = None
    ) -> Failures:
        """Count a try; see the contract."""
        self._make_table()
        with self._database.transaction() as connection:
            self._take_turn(connection, pair.network)
            row = connection.row(_SELECT, (pair.account, pair.network))
            before = Failures(*row) if row else Failures()
            if before.last_at < now - FORGOTTEN_AFTER_MILLISECONDS:
                before = Failures()
            judge(before)
            if crowding and not before.number:
                _require_room(connection, pair.network, crowding)
            connection.execute(_COUNT, (pair.account, pair.network, before.number + 1, now))
        return before

    def take_back(self, pair: Pair, counted_at: int, before: Failures) -> None:
        """Undo the count of a try; see the contract."""
        with self._changing() as connection:
            connection.execute(_TAKE_BACK, (counted_at, before.last_at, pair.account, pair.network))
            connection.execute(_DELETE_EMPTY, (pair.account, pair.network))

    def forget(self, pair: Pair) -> None:
        """Remove the failures of a pair."""
        with self._changing() as connection:
            connection.execute(_DELETE, (pair.account, pair.network))

    def networks_of(self, account: str, since: int, most: int) -> int:
        """Return the number of networks and sites with failures; see the contract."""
        self._make_table()
        # With SQLite `reading` would open another connection for each thread, so this is a
        # transaction.
        with self._database.transaction() as connection:
            (found,) = connection.rows(
                "SELECT COUNT(*) FROM (SELECT 1 FROM login_tries "
                "WHERE account = ? AND failed_at > ? AND network NOT LIKE ? LIMIT ?) AS found",
                (account, since, _SITES, most),
            )
        return int(found[0])

    def prune(self, forgotten_at: int, most: int) -> int:
        """Remove forgotten pairs, and pairs above the limit; see the contract."""
        self._make_table()
        removed = 0
        while some := self._remove(_FORGOTTEN, (forgotten_at,), _READ_AT_ONCE):
            removed += some
        (found,) = self._database.reading().rows("SELECT COUNT(*) FROM login_tries")
        surplus = found[0] - most + most // _PRUNED_PART if found[0] > most else 0
        while surplus > 0 and (some := self._remove(_LEAST, (), min(surplus, _READ_AT_ONCE))):
            surplus -= some
            removed += some
        return removed

    def _remove(self, which: str, parameters: tuple[object, ...], most: int) -> int:
        """Remove up to `most` pairs; a pair that has failed again since the query stays.

        Return the number of pairs that the query found. Each transaction removes few pairs, since
        login tries wait for it.
        """
        rows = self._database.reading().rows(
            f"SELECT account, network, failed_at FROM login_tries {which} LIMIT ?",  # noqa: S608 -- constants only
            (*parameters, most),
        )
        for start in range(0, len(rows), _REMOVED_AT_ONCE):
            with self._changing() as connection:
                some = rows[start : start + _REMOVED_AT_ONCE]
                connection.execute_many(f"{_DELETE} AND failed_at = ?", some)
        return len(rows)

    def _take_turn(self, connection: Connection, network: str) -> None:
        """Wait for concurrent tries of the network; SQLite allows only one writer anyway."""
        if self._is_postgres:
            connection.row(_TURN, (crc32(network.encode()) - _SIGNED,))

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """Begin a transaction; its commit does not wait for the disk."""
        self._make_table()
        with self._database.transaction() as connection:
            if self._is_postgres:
                connection.row(_NO_WAIT)
            yield connection

    def _make_table(self) -> None:
        if self._makes_table:
            with self._database.transaction() as connection:
                connection.execute(_TABLE)
                connection.execute(_INDEX)
            self._makes_table = False


def _require_room(connection: Connection, network: str, crowding: Crowding) -> None:
    row = connection.row(_NTH_OF_NETWORK, (network, crowding.since, crowding.accounts - 1))
    if row is not None:
        raise NetworkCrowded(row[0])
