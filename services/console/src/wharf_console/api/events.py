"""What happened to the tenant's files and quotas."""

from __future__ import annotations

from datetime import datetime

import msgspec

from wharf_console.api.files import File
from wharf_console.api.session import Session


class QuotaWarning(msgspec.Struct, frozen=True, kw_only=True):
    """So many percent of a quota are in use."""

    percent: int


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. `file` is the file as it is or was; of `quota.warning` there is `quota`."""

    id: int
    kind: str
    at: datetime
    file: File | None
    quota: QuotaWarning | None


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """A page of events in order; `next_after` is what to ask for next."""

    events: tuple[Event, ...]
    next_after: int


def page(session: Session, *, after: int = 0, limit: int = 100) -> Events:
    """Return the events after the one with this number, in order."""
    return session.get("/v1/events", Events, after=after, limit=limit)
