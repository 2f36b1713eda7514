"""The events of a tenant, in order.

Numbers are given inside the transaction that the event tells of, and transactions of one tenant
take turns (on PostgreSQL by the lock on its row of `usage`). So whoever has read up to a number
misses nothing of that tenant below it; numbers that are left out belong to others.
"""

from __future__ import annotations

import msgspec

from servicekit.database import Connection
from wharf_upload.records.base import Event, File, QuotaWarning

_file = msgspec.json.Decoder(File)
_warning = msgspec.json.Decoder(QuotaWarning)
_KINDS_OF_FILES = frozenset(
    f"file.{what}" for what in ("created", "replaced", "changed", "deleted", "expired")
)


def after(connection: Connection, tenant: str, number: int, limit: int) -> list[Event]:
    """The tenant's events after a number, at most `limit`."""
    rows = connection.rows(
        "SELECT seq, kind, at, data FROM events WHERE tenant = ? AND seq > ? ORDER BY seq LIMIT ?",
        (tenant, number, limit),
    )
    return [
        Event(
            seq=row[0],
            kind=row[1],
            at=row[2],
            file=_file_of(row[1], row[3]),
            warning=_warning.decode(row[3]) if row[1] == "quota.warning" else None,
        )
        for row in rows
    ]


def _file_of(kind: str, data: str) -> File | None:
    """The file that an event is about; of a kind that is not known yet, if there is one."""
    if not kind.startswith("file."):
        return None
    try:
        return _file.decode(data)
    except msgspec.ValidationError:
        if kind in _KINDS_OF_FILES:
            raise
        return None
