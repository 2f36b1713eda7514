"""`GET /v1/events`: what happened to the tenant's files, in order."""

from __future__ import annotations

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

_LAST = (1 << 63) - 1
# So many events are looked at for a page of one kind, or of a caller with grants: no index has
# kinds or keys, which would cost each upload, and no request reads all events of 90 days.
_LOOKED_AT = 1000
_Number = Annotated[int, msgspec.Meta(ge=0, le=_LAST)]


class EventQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to begin, and which events."""

    after: Annotated[_Number, msgspec.Meta(description="`next_after` of the page before.")] = 0
    before: Annotated[
        _Number | None,
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
    "A caller with grants gets the events of files that it may read; its pages may be short, or "
    "empty, as with `kind`. Of a move between what it may read and what it may not, it gets "
    "`file.moved` without `moved_from`, or `file.deleted` at the old address.\n\n"
    "With `Accept: text/event-stream` the live channel answers, where the installation has one: "
    "a stream of server-sent events that goes on after `after` or `Last-Event-ID`, and begins "
    "now without either. An event's `id` is its number, its `event` is `event`, `progress`, "
    "`resync` or `bye`, and its data is JSON: of `event` an element of `events` here.",
    query=EventQuery,
    answers={200: Answer("A page of events.", schemas.Events)},
    problems=(MALFORMED,),
)


def blueprint(stored: StoredEvents) -> ProtectedBlueprint:
    """The route."""
    routes = ProtectedBlueprint("events", __name__, protection=scope("events:read"))

    @routes.get("/v1/events")
    @operation(_LIST)
    def list_events(query: EventQuery) -> schemas.Events:
        return (_newest if query.order == "newest" else _oldest)(stored, g.principal, query)

    return routes


def _oldest(stored: StoredEvents, principal: Principal, query: EventQuery) -> schemas.Events:
    if query.before is not None:
        raise MALFORMED("before is for order=newest; the oldest events come first after a number.")
    found = stored.events(principal.tenant, query.after, _looked_at(principal, query))
    page, last = _chosen(found, principal, query)
    return schemas.Events(
        events=tuple(schemas.of_event(event) for event in page),
        next_after=query.after if last is None else last,
        next_before=None,
        # Asked after the page was read: what goes meanwhile is told, too.
        missed=0 < query.after < stored.events_dropped(principal.tenant),
    )


def _newest(stored: StoredEvents, principal: Principal, query: EventQuery) -> schemas.Events:
    if query.after:
        raise MALFORMED("after is for order=oldest; the newest events come first before a number.")
    before = _LAST if query.before is None else query.before
    looked_at = _looked_at(principal, query)
    found = stored.events_before(principal.tenant, before, looked_at + 1)
    page, last = _chosen(found[:looked_at], principal, query)
    return schemas.Events(
        events=tuple(schemas.of_event(event) for event in page),
        # Whoever follows from here on misses nothing that is newer than this page.
        next_after=found[0].seq if found else 0,
        next_before=None if last is None or last == found[-1].seq else last,
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
