"""The events of the tenant's files, quotas and webhooks."""

from __future__ import annotations

from datetime import datetime

import msgspec

from wharf_console.api.files import File
from wharf_console.api.session import Session

# The cursor of an event. Earlier releases send a number, and this release also sends a number on
# its first day.
Cursor = str | int
#: The kinds of events that this release knows.
KINDS = (
    "file.created",
    "file.replaced",
    "file.changed",
    "file.moved",
    "file.deleted",
    "file.expired",
    "quota.warning",
    "webhook.disabled",
)


class QuotaWarning(msgspec.Struct, frozen=True, kw_only=True):
    """A warning that the given percentage of a quota is used."""

    percent: int


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """The present or former address of a file."""

    bucket: str
    key: str


class EndpointNote(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint of webhooks that was disabled: its id, and the reason."""

    endpoint: str
    reason: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event.

    `file` is the file after the event, or before its deletion. A `quota.warning` has `quota`. A
    `file.moved`, and a `file.changed` with another key, has the former address in `moved_from`. A
    `webhook.disabled` has `endpoint`.
    """

    id: Cursor
    kind: str
    at: datetime
    file: File | None
    quota: QuotaWarning | None
    moved_from: Address | None = None
    endpoint: EndpointNote | None = None


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """A page of events, newest first; `next_before` requests older ones, `None` is the end."""

    events: tuple[Event, ...]
    next_before: Cursor | None = None


def newest(session: Session, *, before: str = "", kind: str = "", limit: int = 100) -> Events:
    """Return the newest events, or the newest events before a cursor.

    With `kind`, a page may be short or empty although older events of that kind exist.
    """
    return session.get(
        "/v1/events", Events, order="newest", before=before or None, kind=kind, limit=limit
    )
