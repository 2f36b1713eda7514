"""`GET /v1/events`: what happened to the tenant's files, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import msgspec
from flask import g

from servicekit.operations import Answer, Operation, operation
from servicekit.pages import PAGE_BYTES
from servicekit.problems import MALFORMED
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from servicekit.tokens import Principal
from wharf_upload.access.events_in_reach import told
from wharf_upload.domain.events import Event
from wharf_upload.http import schemas
from wharf_upload.http.event_cursors import LAST, Cursor, EventCursors
from wharf_upload.problems import EVENT_CURSOR_EXPIRED

# So many events are looked at for a page of one kind, or of a caller with grants: no index has
# kinds or keys, which would cost each upload, and no request reads all events of 90 days.
_LOOKED_AT = 1000
_Cursor = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class EventQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to begin, and which events."""

    after: Annotated[
        _Cursor,
        msgspec.Meta(
            description="`next_after` of the page before, or an event's `id`; 0 is the beginning."
        ),
    ] = "0"
    before: Annotated[
        _Cursor | None,
        msgspec.Meta(description="`next_before` of the page before, with the newest first."),
    ] = None
    order: Annotated[
        Literal["oldest", "newest"], msgspec.Meta(description="Which events come first.")
    ] = "oldest"
    kind: Annotated[
        Annotated[str, msgspec.Meta(pattern=r"^[a-z.-]{1,40}$(?!\n)")] | None,
        msgspec.Meta(description="Only events of this kind; pages may be short then, or empty."),
    ] = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="Events on a page.")] = 100


class StoredEvents(Protocol):
    """What is asked of the database; see `database.contract`."""

    def events(self, tenant: str, after: int, limit: int) -> list[Event]:
        """Return the tenant's events after a number, in order."""

    def events_before(self, tenant: str, before: int, limit: int) -> list[Event]:
        """Return the tenant's events before a number, the newest first."""

    def events_dropped(self, tenant: str) -> int:
        """Return the largest number of an event that was dropped; 0 where none was."""

    def event_numbers_changed_at(self) -> int | None:
        """Return when releases stopped to give numbers as cursors, in unix milliseconds."""


_LIST = Operation(
    id="listEvents",
    tag="events",
    summary="List what happened to files and quotas, in order",
    description="Ask again with `next_after` as `after`: every event comes once, in the "
    "order in which things happened, and none is left out. An empty page with the same "
    "`next_after` means that nothing has happened since. Events are kept for a time, and up to a "
    "number for each tenant; the oldest go first. `missed` says that some after `after` are gone: "
    "read the lists of files again, then go on. With `order=newest` the last ones come "
    "first; ask again with `next_before` as `before` until it is null. A page ends early where "
    "its files have megabytes of metadata.\n\n"
    "`id`, `next_after` and `next_before` are cursors: texts that only the API reads, each of one "
    "tenant. Two of them say nothing of which event was first; the order of the list does. "
    "Releases before gave numbers instead, and so does the first day after an update from one. "
    "Numbers are read for as long as events of before the update are kept; afterwards they are "
    "refused as `event-cursor-expired`.\n\n"
    "A caller with grants gets the events of files that it may read; its pages may be short, or "
    "empty, as with `kind`. Of a move between what it may read and what it may not, it gets "
    "`file.moved` without `moved_from`, or `file.deleted` at the old address.\n\n"
    "With `Accept: text/event-stream` the live channel answers, where the installation has one: "
    "a stream of server-sent events that goes on after `after` or `Last-Event-ID`, and begins "
    "now without either. An event's `id` is its cursor, its `event` is `event`, `progress`, "
    "`resync` or `bye`, and its data is JSON: of `event` an element of `events` here.",
    query=EventQuery,
    answers={200: Answer("A page of events.", schemas.Events)},
    problems=(MALFORMED, EVENT_CURSOR_EXPIRED),
)


def blueprint(stored: StoredEvents, kept_seconds: int) -> ProtectedBlueprint:
    """The route, for events that are kept for a time."""
    routes = ProtectedBlueprint("events", __name__, protection=scope("events:read"))

    @routes.get("/v1/events")
    @operation(_LIST)
    def list_events(query: EventQuery) -> schemas.Events:
        cursors = EventCursors(stored.event_numbers_changed_at(), kept_seconds)
        page = _newest if query.order == "newest" else _oldest
        return page(_Reading(stored, cursors, g.principal), query)

    return routes


@dataclass(frozen=True)
class _Reading:
    """The events of the caller's tenant, and their cursors."""

    stored: StoredEvents
    cursors: EventCursors
    principal: Principal

    def number(self, cursor: str, name: str) -> int:
        """Return the number that the caller means; raises problems."""
        return self.cursors.read(self.principal.tenant, cursor, name)

    def cursor(self, number: int) -> Cursor:
        """Return the cursor of a number."""
        return self.cursors.write(self.principal.tenant, number)

    def documents(self, page: list[Event]) -> tuple[schemas.EventDocument, ...]:
        """Return the JSON of a page."""
        return tuple(schemas.of_event(event, self.cursor(event.seq)) for event in page)


def _oldest(events: _Reading, query: EventQuery) -> schemas.Events:
    if query.before is not None:
        raise MALFORMED("before is for order=newest; the oldest events come first after a cursor.")
    stored, principal = events.stored, events.principal
    after = events.number(query.after, "after")
    found = stored.events(principal.tenant, after, _looked_at(principal, query))
    page, last = _chosen(found, principal, query)
    return schemas.Events(
        events=events.documents(page),
        next_after=events.cursor(after if last is None else last),
        next_before=None,
        # Asked after the page was read: what goes meanwhile is told, too.
        missed=0 < after < stored.events_dropped(principal.tenant),
    )


def _newest(events: _Reading, query: EventQuery) -> schemas.Events:
    if query.after != "0":
        raise MALFORMED("after is for order=oldest; the newest events come first before a cursor.")
    principal = events.principal
    before = LAST if query.before is None else events.number(query.before, "before")
    looked_at = _looked_at(principal, query)
    found = events.stored.events_before(principal.tenant, before, looked_at + 1)
    page, last = _chosen(found[:looked_at], principal, query)
    return schemas.Events(
        events=events.documents(page),
        # Whoever follows from here on misses nothing that is newer than this page.
        next_after=events.cursor(found[0].seq if found else 0),
        next_before=None if last is None or last == found[-1].seq else events.cursor(last),
    )


def _looked_at(principal: Principal, query: EventQuery) -> int:
    """Return how many events are looked at for a page."""
    is_chosen = query.kind is not None or not principal.reach.is_everything
    return _LOOKED_AT if is_chosen else query.limit


def _chosen(
    found: list[Event], principal: Principal, query: EventQuery
) -> tuple[list[Event], int | None]:
    """Return the events that are of the kind and in reach, and the last number looked at."""
    page: list[Event] = []
    last: int | None = None
    room = PAGE_BYTES
    for event in found:
        last = event.seq
        heard = told(principal.reach, event)
        if heard is not None and query.kind in (None, heard.kind):
            page.append(heard)
            room -= 0 if heard.file is None else heard.file.listed_bytes
            if len(page) == query.limit or room <= 0:
                break
    return page, last
