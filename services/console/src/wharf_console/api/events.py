"""What happened to the tenant's files and quotas."""

from __future__ import annotations

from datetime import datetime

import msgspec

from wharf_console.api.files import File
from wharf_console.api.session import Session

# The cursor of an event; a number as releases before give it, and this one on its first day.
Cursor = str | int


class QuotaWarning(msgspec.Struct, frozen=True, kw_only=True):
    """So many percent of a quota are in use."""

    percent: int


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a file is, or was."""

    bucket: str
    key: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. `file` is the file as it is or was; of `quota.warning` there is `quota`, of
    `file.moved`, and of `file.changed` with another key, where it was.
    """

    id: Cursor
    kind: str
    at: datetime
    file: File | None
    quota: QuotaWarning | None
    moved_from: Address | None = None


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """A page of events, newest first; `next_before` gets older ones, `None` at the end."""

    events: tuple[Event, ...]
    next_before: Cursor | None = None


def newest(session: Session, *, before: str = "", kind: str = "", limit: int = 100) -> Events:
    """Return the newest events, or the newest of those before a cursor.

    A page of one `kind` may be short, or empty, before the last one.
    """
    return session.get(
        "/v1/events", Events, order="newest", before=before or None, kind=kind, limit=limit
    )
