"""`GET /v1/events`: what happened to the tenant's files, in order."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import msgspec
from flask import g

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import MALFORMED
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from wharf_upload.domain.events import Event
from wharf_upload.http import schemas

_LAST = (1 << 63) - 1
# So many events are looked at for a page of one kind: no index has kinds, which would cost each
# upload, and no request reads all events of 90 days.
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


_LIST = Operation(
    id="listEvents",
    tag="events",
    summary="List what happened to files and quotas, in order",
    description="Ask again with `next_after` as `after`: every event comes once, in the "
    "order in which things happened, and none is left out. An empty page with the same "
    "`next_after` means that nothing has happened since. With `order=newest` the last ones come "
    "first; ask again with `next_before` as `before` until it is null.\n\n"
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
        tenant: str = g.principal.tenant
        return (_newest if query.order == "newest" else _oldest)(stored, tenant, query)

    return routes


def _oldest(stored: StoredEvents, tenant: str, query: EventQuery) -> schemas.Events:
    if query.before is not None:
        raise MALFORMED("before is for order=newest; the oldest events come first after a number.")
    looked_at = query.limit if query.kind is None else _LOOKED_AT
    page, last = _chosen(stored.events(tenant, query.after, looked_at), query)
    return schemas.Events(
        events=tuple(schemas.of_event(event) for event in page),
        next_after=query.after if last is None else last,
        next_before=None,
    )


def _newest(stored: StoredEvents, tenant: str, query: EventQuery) -> schemas.Events:
    if query.after:
        raise MALFORMED("after is for order=oldest; the newest events come first before a number.")
    before = _LAST if query.before is None else query.before
    looked_at = query.limit if query.kind is None else _LOOKED_AT
    found = stored.events_before(tenant, before, looked_at + 1)
    page, last = _chosen(found[:looked_at], query)
    return schemas.Events(
        events=tuple(schemas.of_event(event) for event in page),
        # Whoever follows from here on misses nothing that is newer than this page.
        next_after=found[0].seq if found else 0,
        next_before=None if last is None or last == found[-1].seq else last,
    )


def _chosen(found: list[Event], query: EventQuery) -> tuple[list[Event], int | None]:
    """Return the events of the kind, and the number of the last one that was looked at."""
    page: list[Event] = []
    last: int | None = None
    for event in found:
        last = event.seq
        if query.kind in (None, event.kind):
            page.append(event)
            if len(page) == query.limit:
                break
    return page, last
