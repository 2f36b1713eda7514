"""The events of a tenant, in order.

The transaction that causes an event also assigns its number (`event_numbers`), and transactions of
one tenant run one after the other (on PostgreSQL by the lock on its row of `usage`). So a reader
that has read up to a number has seen all events of that tenant with smaller numbers.
"""

from __future__ import annotations

from itertools import takewhile

import msgspec

from servicekit.database import Connection, Database, Row
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.retention import ROWS_A_TIME
from wharf_upload.database.surplus import note_dropped
from wharf_upload.domain.events import DISABLED_KIND, EndpointNote, Event
from wharf_upload.domain.files import File, FileAddress
from wharf_upload.domain.quotas import QuotaWarning


class _Moved(msgspec.Struct, frozen=True):
    moved_from: FileAddress | None = None


_file, _moved = msgspec.json.Decoder(File), msgspec.json.Decoder(_Moved)
_warning = msgspec.json.Decoder(QuotaWarning)
_note = msgspec.json.Decoder(EndpointNote)
_KINDS_THAT_MOVE = frozenset(("file.moved", "file.changed"))
_KINDS_OF_FILES = frozenset(
    f"file.{what}" for what in ("created", "replaced", "changed", "moved", "deleted", "expired")
)


def events_after(connection: Connection, tenant: str, after: int, limit: int) -> list[Event]:
    """Return the tenant's events after a number, at most `limit`."""
    rows = connection.rows(
        "SELECT seq, kind, at, data FROM events WHERE tenant = ? AND seq > ? ORDER BY seq LIMIT ?",
        (tenant, after, limit),
    )
    return [_event(row) for row in rows]


class SqlEvents(Aggregate):
    """Implements `contract.EventRecords`."""

    _changed_at: tuple[int | None] | None = None

    def events(self, tenant: str, after: int, limit: int) -> list[Event]:
        """Return the tenant's events after a number, at most `limit`."""
        return events_after(self._database.reading(), tenant, after, limit)

    def event(self, tenant: str, seq: int) -> Event | None:
        """Return the tenant's event with a number, or `None`."""
        row = self._database.reading().row(
            "SELECT seq, kind, at, data FROM events WHERE tenant = ? AND seq = ?", (tenant, seq)
        )
        return None if row is None else _event(row)

    def events_before(self, tenant: str, before: int, limit: int) -> list[Event]:
        """Return the tenant's events before a number, the newest first, at most `limit`."""
        rows = self._database.reading().rows(
            "SELECT seq, kind, at, data FROM events WHERE tenant = ? AND seq < ? "
            "ORDER BY seq DESC LIMIT ?",
            (tenant, before, limit),
        )
        return [_event(row) for row in rows]

    def forget_events(self, before: int) -> int:
        """Delete events that are older than a time or exceed the limit of their tenant.

        Each tenant's newest event stays. The loop deletes tenant by tenant: an index by time would
        make each upload slower.
        """
        count, last = 0, ""
        while tenants := self._database.reading().rows(
            "SELECT tenant FROM usage WHERE tenant > ? ORDER BY tenant LIMIT ?", (last, ROWS_A_TIME)
        ):
            for (last,) in tenants:
                count += _forget_old(self._database, last, before)
                count += self._group.events.trim(last)
        return count

    def events_dropped(self, tenant: str) -> int:
        """Return the largest number of a deleted event, or 0 if no event was deleted."""
        row = self._database.reading().row(
            "SELECT events_dropped FROM usage WHERE tenant = ?", (tenant,)
        )
        return int(row[0]) if row else 0

    def event_numbers_changed_at(self) -> int | None:
        """Return when this service stopped using event numbers as cursors, in unix milliseconds.

        `None` means that no client has a number as a cursor. The value is read once, because only a
        migration changes it.
        """
        if self._changed_at is None:
            row = self._database.reading().row("SELECT changed_at FROM event_numbers")
            self._changed_at = (int(row[0]) if row else None,)
        return self._changed_at[0]


def _event(row: Row) -> Event:
    seq, kind, at, data = row
    return Event(
        seq=seq,
        kind=kind,
        at=at,
        file=_file_of(kind, data),
        warning=_warning.decode(data) if kind == "quota.warning" else None,
        endpoint=_note.decode(data) if kind == DISABLED_KIND else None,
        moved_from=_moved.decode(data).moved_from if kind in _KINDS_THAT_MOVE else None,
    )


def _file_of(kind: str, data: str) -> File | None:
    """Return the file of an event, or `None` for an event without a file.

    Raises `ValidationError` if the data of an event of a known kind contain no valid file.
    """
    if not kind.startswith("file."):
        return None
    try:
        return _file.decode(data)
    except msgspec.ValidationError:
        if kind in _KINDS_OF_FILES:
            raise
        return None


def _forget_old(database: Database, tenant: str, before: int) -> int:
    """Delete a tenant's events before a time, but not the newest event; return how many.

    The newest event's number makes the next number larger, even after the clock was set back.
    Without this event, a reader that continues after a deleted number could miss the next events.
    """
    count = 0
    while True:
        rows = database.reading().rows(
            "SELECT seq, at FROM events WHERE tenant = ? ORDER BY seq LIMIT ?",
            (tenant, ROWS_A_TIME + 1),
        )
        old = [row[0] for row in takewhile(lambda row: row[1] < before, rows[:-1])]
        if not old:
            return count
        with database.transaction() as connection:
            connection.execute(
                "DELETE FROM events WHERE tenant = ? AND seq <= ?", (tenant, old[-1])
            )
            note_dropped(connection, tenant, old[-1])
        count += len(old)
