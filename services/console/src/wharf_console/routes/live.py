"""The route that gives scripts a token to receive events (`static/src/README.md`)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from wharf_console.api import live
from wharf_console.context import AppContext
from wharf_console.web.current import api


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the route."""
    routes = Blueprint("live", __name__, url_prefix="/console")

    @routes.post("/live-token")
    def token() -> dict[str, Any]:
        made = live.token(api())
        return {"token": made.access_token, "expires_in": made.expires_in}

    return routes
