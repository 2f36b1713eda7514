"""`GET /v1/events`: what happened to the tenant's files, in order."""

from __future__ import annotations

from typing import Annotated, Protocol

import msgspec
from flask import g

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import MALFORMED
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import scope
from wharf_upload.domain.events import Event
from wharf_upload.http import schemas


class EventQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to begin."""

    after: Annotated[
        int,
        msgspec.Meta(ge=0, le=(1 << 63) - 1, description="`next_after` of the page before."),
    ] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="Events on a page.")] = 100


class StoredEvents(Protocol):
    """What is asked of the database; see `database.contract`."""

    def events(self, tenant: str, after: int, limit: int) -> list[Event]:
        """Return the tenant's events after a number, in order."""


def blueprint(stored: StoredEvents) -> ProtectedBlueprint:
    """The route."""
    routes = ProtectedBlueprint("events", __name__, protection=scope("events:read"))

    @routes.get("/v1/events")
    @operation(
        Operation(
            id="listEvents",
            tag="events",
            summary="List what happened to files and quotas, in order",
            description="Ask again with `next_after` as `after`: every event comes once, in the "
            "order in which things happened, and none is left out. An empty page means that "
            "nothing has happened since.",
            query=EventQuery,
            answers={200: Answer("Events after the number.", schemas.Events)},
            problems=(MALFORMED,),
        )
    )
    def list_events(query: EventQuery) -> schemas.Events:
        found = stored.events(g.principal.tenant, query.after, query.limit)
        return schemas.Events(
            events=tuple(schemas.of_event(event) for event in found),
            next_after=found[-1].seq if found else query.after,
        )

    return routes
