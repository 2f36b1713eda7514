"""`GET /v1/events`: the events of the tenant's files and quotas, in order."""

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

# The number of events that a request reads for a page of one kind, or for a caller with grants.
# There is no index by kind or key, because it would slow down each upload, and no request may read
# all events of 90 days.
_LOOKED_AT = 1000
_Cursor = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class EventQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The start of the page, and a filter."""

    after: Annotated[
        _Cursor,
        msgspec.Meta(
            description="`next_after` of the previous page, or an event's `id`; 0 is the start."
        ),
    ] = "0"
    before: Annotated[
        _Cursor | None,
        msgspec.Meta(description="`next_before` of the previous page, with `order=newest`."),
    ] = None
    order: Annotated[
        Literal["oldest", "newest"], msgspec.Meta(description="Which events come first.")
    ] = "oldest"
    kind: Annotated[
        Annotated[str, msgspec.Meta(pattern=r"^[a-z.-]{1,40}$(?!\n)")] | None,
        msgspec.Meta(description="Only events of this kind; pages may be short or empty."),
    ] = None
    limit: Annotated[
        int, msgspec.Meta(ge=1, le=1000, description="Maximum number of events on a page.")
    ] = 100


class StoredEvents(Protocol):
    """The queries to the database; see `database.contract`."""

    def events(self, tenant: str, after: int, limit: int) -> list[Event]:
        """Return the tenant's events after a number, in order."""

    def events_before(self, tenant: str, before: int, limit: int) -> list[Event]:
        """Return the tenant's events before a number, the newest first."""

    def events_dropped(self, tenant: str) -> int:
        """Return the largest number of a deleted event, or 0 if no event was deleted."""

    def event_numbers_changed_at(self) -> int | None:
        """Return when this service stopped using event numbers as cursors, in unix milliseconds.

        `None` means that no client has a number as a cursor.
        """


_LIST = Operation(
    id="listEvents",
    tag="events",
    summary="List the events of files and quotas, in order",
    description="Send the next request with `next_after` as `after`: each event is returned once, "
    "in the order in which the events happened, and no event is omitted. An empty page with the "
    "same `next_after` means that there is no new event. The service keeps events for a limited "
    "time, and a limited number for each tenant; it deletes the oldest first. `missed` says that "
    "the service deleted events after `after`: list the files again, then continue. With "
    "`order=newest` the newest events come first; repeat the request with `next_before` as "
    "`before` until it is null. A page may be shorter if its files have megabytes of metadata.\n\n"
    "`id`, `next_after` and `next_before` are cursors: opaque texts that are valid for one tenant. "
    "The order of two cursors means nothing; only the order of the list does. Older releases "
    "returned numbers instead, and this release also does on the first day after an update from "
    "one of them. It accepts numbers for as long as events from before the update are kept; "
    "afterwards it refuses them with `event-cursor-expired`.\n\n"
    "A caller with grants gets the events of files that it may read; its pages may be short or "
    "empty, as with `kind`. If a file moves between a place that the caller may read and a place "
    "that it may not read, the caller gets `file.moved` without `moved_from`, or `file.deleted` "
    "at the old address.\n\n"
    "With `Accept: text/event-stream`, the live channel responds if the installation has one: "
    "with a stream of server-sent events that continues after `after` or `Last-Event-ID`, or "
    "starts now without either. In this stream, `id` is the event's cursor, `event` is `event`, "
    "`progress`, `resync` or `bye`, and `data` is JSON: for `event`, an element of `events`.",
    query=EventQuery,
    answers={200: Answer("A page of events.", schemas.Events)},
    problems=(MALFORMED, EVENT_CURSOR_EXPIRED),
)


def blueprint(stored: StoredEvents, kept_seconds: int) -> ProtectedBlueprint:
    """Return the route; `kept_seconds` is how long events are kept."""
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
        """Return the number of the caller's cursor; raises problems."""
        return self.cursors.read(self.principal.tenant, cursor, name)

    def cursor(self, number: int) -> Cursor:
        """Return the cursor of a number."""
        return self.cursors.write(self.principal.tenant, number)

    def documents(self, page: list[Event]) -> tuple[schemas.EventDocument, ...]:
        """Return the JSON documents of a page."""
        return tuple(schemas.of_event(event, self.cursor(event.seq)) for event in page)


def _oldest(events: _Reading, query: EventQuery) -> schemas.Events:
    if query.before is not None:
        raise MALFORMED("before works only with order=newest; send after instead.")
    stored, principal = events.stored, events.principal
    after = events.number(query.after, "after")
    found = stored.events(principal.tenant, after, _looked_at(principal, query))
    page, last = _chosen(found, principal, query)
    return schemas.Events(
        events=events.documents(page),
        next_after=events.cursor(after if last is None else last),
        next_before=None,
        # Query this after the page was read, so that it includes events that were deleted during
        # the read.
        missed=0 < after < stored.events_dropped(principal.tenant),
    )


def _newest(events: _Reading, query: EventQuery) -> schemas.Events:
    if query.after != "0":
        raise MALFORMED("after works only with order=oldest; send before instead.")
    principal = events.principal
    before = LAST if query.before is None else events.number(query.before, "before")
    looked_at = _looked_at(principal, query)
    found = events.stored.events_before(principal.tenant, before, looked_at + 1)
    page, last = _chosen(found[:looked_at], principal, query)
    return schemas.Events(
        events=events.documents(page),
        # A reader that continues from here misses no event that is newer than this page.
        next_after=events.cursor(found[0].seq if found else 0),
        next_before=None if last is None or last == found[-1].seq else events.cursor(last),
    )


def _looked_at(principal: Principal, query: EventQuery) -> int:
    """Return how many events the request reads for a page."""
    is_chosen = query.kind is not None or not principal.reach.is_everything
    return _LOOKED_AT if is_chosen else query.limit


def _chosen(
    found: list[Event], principal: Principal, query: EventQuery
) -> tuple[list[Event], int | None]:
    """Return the matching events that the caller may see, and the number of the last event read."""
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
