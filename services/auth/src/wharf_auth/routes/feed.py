"""`GET /auth/internal/feed`: the feed of revocations, for the services that follow it.

The feed names all tenants. So only requests through an internal port of the gateway or of auth
reach the feed, as with the metrics.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, Response, request

from servicekit import metrics
from servicekit.operations import decode_query
from servicekit.problems import NOT_FOUND
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import public
from servicekit.web import json_response
from wharf_auth.context import AppContext


class Position(msgspec.Struct):
    """The requested part of the feed: at most `limit` entries with numbers above `after`."""

    after: Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1000


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the route of the feed."""
    routes = ProtectedBlueprint(
        "feed",
        __name__,
        url_prefix="/auth/internal",
        protection=public("only the gateway's internal port reaches this route"),
    )

    @routes.get("/feed")
    def feed() -> Response:
        if not metrics.is_internal(request.environ):
            raise NOT_FOUND("Nothing is here.")
        position = decode_query(Position)
        context.housekeeping.run()
        response = json_response(context.records.feed(after=position.after, limit=position.limit))
        response.headers["Cache-Control"] = "no-store"
        return response

    return routes
