"""`GET /v1/events`: what happened to the tenant's files, in order."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, g

from servicekit.operations import Answer, Operation, operation
from servicekit.problems import MALFORMED
from wharf_upload import documents
from wharf_upload.service import Service


class EventQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to begin."""

    after: Annotated[
        int,
        msgspec.Meta(ge=0, le=(1 << 63) - 1, description="`next_after` of the page before."),
    ] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000, description="Events on a page.")] = 100


def blueprint(service: Service) -> Blueprint:
    """The route."""
    routes = Blueprint("events", __name__)

    @routes.get("/v1/events")
    @operation(
        Operation(
            id="listEvents",
            tag="events",
            summary="List what happened to files and quotas, in order",
            description="Ask again with `next_after` as `after`: every event comes once, in the "
            "order in which things happened, and none is left out. An empty page means that "
            "nothing has happened since.",
            scope="events:read",
            query=EventQuery,
            answers={200: Answer("Events after the number.", documents.Events)},
            problems=(MALFORMED,),
        )
    )
    def list_events(query: EventQuery) -> documents.Events:
        found = service.records.events(g.principal.tenant, query.after, query.limit)
        return documents.Events(
            events=tuple(documents.of_event(event) for event in found),
            next_after=found[-1].seq if found else query.after,
        )

    return routes
