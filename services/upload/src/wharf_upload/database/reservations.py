"""Reservations of bodies under way, in SQLite or PostgreSQL (ADR 59).

There is a row for each body, and sums by disk, by tenant and by ticket. So an admission reads only
some sums, however many bodies are under way. With SQLite, the tables are in a separate file that is
never synced. With PostgreSQL, they are two unlogged tables of the main database (migration 0011).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from zlib import crc32

from servicekit.database import Connection, Database, Row
from wharf_upload.database.room_contract import Judge
from wharf_upload.domain.reservation import Reservation, Reserved, lapses_at

# Any number works if no other code of the database uses it for an advisory lock.
_ADVISORY_LOCK = 0x726F6F6D
_TURN = (
    f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK}), set_config('synchronous_commit', 'off', true)"
)
# The values of the column `tenant` in sums that belong to no tenant: the reservations of a disk,
# and the bytes that are written on it.
ALL, WRITTEN = "", "/written"
_AT_ONCE = 500
# The suffix of the instance for bodies that the instance's stream server receives.
_STREAMS = "/streams"
# How long a measurement of the written bytes is valid: longer than the pause between two
# measurements.
_WRITTEN_SECONDS = 5.0
# If no process has checked a gateway's files for this long, the gateway and its machine count as
# dead.
_LOST_SECONDS = 600.0
_INSTANCE_BITS = 11
_LARGEST = (1 << 63) - 1  # The largest number that both databases accept.
_BODIES = (
    "CREATE TABLE IF NOT EXISTS bodies_under_way (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, "
    "ticket TEXT NOT NULL, disk TEXT NOT NULL, instance TEXT NOT NULL, "
    "disk_bytes INTEGER NOT NULL, quota_bytes INTEGER NOT NULL, files INTEGER NOT NULL, "
    "inodes INTEGER NOT NULL, until INTEGER NOT NULL)"
)
_RESERVED = (
    "CREATE TABLE IF NOT EXISTS room_reserved (tenant TEXT NOT NULL, ticket TEXT NOT NULL, "
    "disk TEXT NOT NULL, disk_bytes INTEGER NOT NULL, quota_bytes INTEGER NOT NULL, "
    "files INTEGER NOT NULL, inodes INTEGER NOT NULL, bodies INTEGER NOT NULL, "
    "until INTEGER NOT NULL, PRIMARY KEY (tenant, ticket, disk)) WITHOUT ROWID"
)
_SUMS = "disk_bytes, quota_bytes, files, inodes, bodies"
_FROM = f"SELECT tenant, ticket, disk, until, {_SUMS} FROM room_reserved WHERE "  # noqa: S608 -- constants only
# Each part is one search in the index; for a list of values, SQLite would make a temporary table.
_SELECT_ALL = (
    f"{_FROM} tenant = '{ALL}' AND ticket = '' "
    f"UNION ALL {_FROM} tenant = '{WRITTEN}' AND ticket = ''"
)
_SELECT = f"{_SELECT_ALL} UNION ALL {_FROM} tenant = ? AND ticket = ''"
_SELECT_WITH_TICKET = f"{_SELECT} UNION ALL {_FROM} tenant = ? AND ticket = ?"
_SELECT_WRITTEN = (
    "SELECT disk_bytes, inodes FROM room_reserved WHERE tenant = ? AND ticket = ? AND disk = ?"
)
_NOTE_WRITTEN = (
    "INSERT INTO room_reserved (tenant, ticket, disk, disk_bytes, quota_bytes, files, inodes, "
    "bodies, until) VALUES (?, ?, ?, ?, 0, 0, ?, 0, ?) "
    "ON CONFLICT (tenant, ticket, disk) DO UPDATE SET disk_bytes = excluded.disk_bytes, "
    "inodes = excluded.inodes, until = excluded.until"
)
# Bodies with an expired reservation, and old bodies of a gateway if no process has checked its
# files for `_LOST_SECONDS`.
_LAPSED = (
    "until <= ? OR (id < ? AND EXISTS (SELECT 1 FROM room_reserved AS looked "  # noqa: S608 -- constants only
    f"WHERE looked.tenant = '{WRITTEN}' AND looked.ticket = '' AND looked.until < ? "
    "AND looked.disk = bodies_under_way.disk || '/' "
    f"|| replace(bodies_under_way.instance, '{_STREAMS}', '')))"
)
# Deletes the sums of disks, tenants and tickets that have no body under way.
_FORGET = f"DELETE FROM room_reserved WHERE bodies = 0 AND tenant <> '{WRITTEN}'"  # noqa: S608 -- constants only
_INSERT = "INSERT INTO bodies_under_way VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ADD = "ON CONFLICT (tenant, ticket, disk) DO UPDATE SET " + ", ".join(
    f"{name} = room_reserved.{name} + excluded.{name}" for name in _SUMS.split(", ")
)
_ADD_ROWS = {
    number: f"INSERT INTO room_reserved (tenant, ticket, disk, {_SUMS}, until) VALUES "  # noqa: S608 -- constants only
    + ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, 0)"] * number)
    + f" {_ADD}"
    for number in (1, 2, 3, 4)
}
Key = tuple[str, str, str]


class SqlReservations:
    """Implements `room_contract.Reservations`.

    `disk` names the disk of this process; it is empty if all replicas share one disk. `instance`
    names the gateway that receives the bodies. In SQLite, this class creates the tables, because no
    migration does. `clock` returns unix seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        instance: str,
        disk: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._instance, self._disk = database, instance, disk
        self._clock = clock
        self._streams = f"{instance}{_STREAMS}"
        self._noted: tuple[int, int] | None = None
        self._instance_number = crc32(instance.encode()) % (1 << _INSTANCE_BITS)
        # SQLite's writers take turns anyway.
        self._takes_turns = database.dialect != "sqlite"
        self._has_tables = self._takes_turns

    def reserve(
        self, tenant: str, ticket: str, judge: Judge, *, streamed: bool = False
    ) -> Reservation:
        """Reserve the amounts that `judge` returns; see the contract."""
        self._make_tables()
        with self._database.transaction() as connection:
            self._take_turn(connection)
            rows = (
                connection.rows(_SELECT_WITH_TICKET, (tenant, tenant, ticket))
                if ticket
                else connection.rows(_SELECT, (tenant,))
            )
            now = self._clock()
            needed = judge(self._reserved(rows, int(now * 1000)))
            # This number is unique: writers on one machine run one after the other, and the numbers
            # of other instances differ in the last bits.
            number = _first_number(now) | self._instance_number
            until = lapses_at(int(now * 1000), needed.disk_bytes)
            amounts = (needed.disk_bytes, needed.quota_bytes, needed.files, needed.inodes)
            instance = self._streams if streamed else self._instance
            row = (number, tenant, ticket, self._disk, instance, *amounts, until)
            connection.execute(_INSERT, row)
            self._add(
                connection, [(key, (*amounts, 1)) for key in _keys(tenant, ticket, self._disk)]
            )
        return Reservation(id=str(number), until=until)

    def end(self, ids: Iterable[str]) -> int:
        """End reservations by their ids; see the contract."""
        self._make_tables()
        ended = 0
        numbers = _numbers(ids)
        for start in range(0, len(numbers), _AT_ONCE):
            some = numbers[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            ended += self._end(f"id IN ({marks})", some)
        return ended

    def reserved(self) -> Reserved:
        """Return the sum of all reservations on this disk."""
        self._make_tables()
        # A transaction and not `reading`, which would open one more SQLite connection for each
        # thread.
        with self._database.transaction() as connection:
            rows = connection.rows(_SELECT_ALL)
        return self._reserved(rows, int(self._clock() * 1000))

    def oldest(self) -> float | None:
        """Return when the oldest body of this gateway was admitted, in unix seconds, or `None`."""
        self._make_tables()
        with self._database.transaction() as connection:
            row = connection.row(
                "SELECT id FROM bodies_under_way WHERE instance IN (?, ?) ORDER BY id LIMIT 1",
                (self._instance, self._streams),
            )
        return None if row is None else (row[0] >> _INSTANCE_BITS) / 1_000_000

    def note_written(self, disk_bytes: int, inodes: int) -> None:
        """Store how much of this gateway's bodies is on the disk; see the contract."""
        self._make_tables()
        until = int((self._clock() + _WRITTEN_SECONDS) * 1000)
        key = (WRITTEN, "", _written_place(self._disk, self._instance))
        with self._database.transaction() as connection:
            self._take_turn(connection)
            row = connection.row(_SELECT_WRITTEN, key)
            if row is None or self._noted is None:
                # Another process may have made the last measurement. So this process does not know
                # the size of the bodies that ended since.
                noted = (0, 0)
            else:
                # The last measurement includes bodies that ended since; their files may still be on
                # the disk.
                ended_bytes, ended_inodes = self._noted[0] - row[0], self._noted[1] - row[1]
                noted = (max(0, disk_bytes - ended_bytes), max(0, inodes - ended_inodes))
            connection.execute(_NOTE_WRITTEN, (*key, *noted, until))
        self._noted = noted

    def lapse(self) -> int:
        """End the reservations that have expired or belong to a dead gateway.

        Return how many ended.
        """
        self._make_tables()
        now = self._clock()
        lost = now - _LOST_SECONDS
        until = (int(now * 1000), _first_number(lost), int(lost * 1000))
        ended = self._end(_LAPSED, until)
        with self._database.transaction() as connection:
            self._take_turn(connection)
            connection.execute(_FORGET)
        return ended

    def clear(self, *, streamed: bool, before: float | None = None) -> int:
        """End the reservations of this gateway's bodies; see the contract."""
        self._make_tables()
        every = self._streams if streamed else self._instance
        most = _LARGEST if before is None else _first_number(before)
        return self._end("instance IN (?, ?) AND id < ?", (every, self._streams, most))

    def _end(self, which: str, parameters: Sequence[object]) -> int:
        with self._database.transaction() as connection:
            self._take_turn(connection)
            rows = connection.rows(
                f"DELETE FROM bodies_under_way WHERE {which} "  # noqa: S608 -- constants only
                "RETURNING tenant, ticket, disk, instance, disk_bytes, quota_bytes, files, inodes",
                parameters,
            )
            if rows:
                self._subtract(connection, rows)
        return len(rows)

    def _subtract(self, connection: Connection, rows: list[Row]) -> None:
        sums: defaultdict[Key, list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
        for tenant, ticket, disk, instance, *amounts in rows:
            for key in _keys(tenant, ticket, disk):
                _take_off(sums[key], (*amounts, 1))
            # The bytes of an ended body no longer count as written until the next check of the
            # files.
            disk_bytes, _, _, inodes = amounts
            written = sums[WRITTEN, "", _written_place(disk, instance)]
            _take_off(written, (disk_bytes, 0, 0, inodes, 0))
        changes = list(sums.items())
        most = max(_ADD_ROWS)
        for start in range(0, len(changes), most):
            self._add(connection, changes[start : start + most])

    def _add(self, connection: Connection, sums: Sequence[tuple[Key, Sequence[int]]]) -> None:
        values: list[object] = []
        for key, amounts in sums:
            values += key
            values += amounts
        connection.execute(_ADD_ROWS[len(sums)], values)

    def _reserved(self, rows: list[Row], now: int) -> Reserved:
        """Add up the sums of disks, of written bytes, of a tenant and of a ticket."""
        found = Reserved()
        for owner, ticket, disk, until, disk_bytes, quota_bytes, files, inodes, bodies in rows:
            if owner == ALL:
                if disk == self._disk:
                    found.disk_bytes, found.inodes = disk_bytes, inodes
                    found.bodies = bodies
            elif owner == WRITTEN:
                if until > now and disk.partition("/")[0] == self._disk:
                    found.written_bytes += max(0, disk_bytes)
                    found.written_inodes += max(0, inodes)
            elif ticket:
                found.ticket_quota_bytes += quota_bytes
                found.ticket_files += files
                found.ticket_bodies += bodies
            else:
                found.quota_bytes += quota_bytes
                found.files += files
                if disk == self._disk:
                    found.own_disk_bytes = disk_bytes
        return found

    def _take_turn(self, connection: Connection) -> None:
        """Wait until no other transaction changes reservations; SQLite needs no such wait."""
        if self._takes_turns:
            connection.row(_TURN)

    def _make_tables(self) -> None:
        if not self._has_tables:
            with self._database.transaction() as connection:
                connection.execute(_BODIES)
                connection.execute(_RESERVED)
            self._has_tables = True


def _keys(tenant: str, ticket: str, disk: str) -> tuple[Key, ...]:
    keys = ((ALL, "", disk), (tenant, "", disk))
    return (*keys, (tenant, ticket, disk)) if ticket else keys


def _take_off(sums: list[int], amounts: Sequence[int]) -> None:
    for number, amount in enumerate(amounts):
        sums[number] -= amount


def _written_place(disk: str, instance: str) -> str:
    return f"{disk}/{instance.removesuffix(_STREAMS)}"


def _first_number(at: float) -> int:
    """Return the smallest id of reservations made at a time in unix seconds, or later."""
    return int(at * 1_000_000) << _INSTANCE_BITS


def _numbers(ids: Iterable[str]) -> list[int]:
    """Return the ids as numbers, without texts that cannot be an id of this service."""
    found = (int(id_) for id_ in ids if id_.isascii() and id_.isdigit() and len(id_) < 20)
    return [number for number in found if number <= _LARGEST]
