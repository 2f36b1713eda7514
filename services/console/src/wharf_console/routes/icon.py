"""The picture that browsers show next to a page's title."""

from __future__ import annotations

from flask import Blueprint, Response

from wharf_console.context import AppContext
from wharf_console.web.access import open_to_all

_DAY_SECONDS = 24 * 3600
# A bollard with a rope around it.
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="6" fill="#0b6aa2"/>'
    '<path d="M9 6h14v4h-3v6l5 1v3l-5 1v3h4v3H8v-3h4v-9h-3v-4h3v-1H9z" fill="#fff"/>'
    "</svg>"
)


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the route."""
    routes = Blueprint("icon", __name__, url_prefix="/console")

    @routes.get("/icon.svg")
    @open_to_all("the login page uses it too")
    def icon() -> Response:
        reply = Response(_ICON, content_type="image/svg+xml")
        reply.headers["Cache-Control"] = f"public, max-age={_DAY_SECONDS}"
        return reply

    return routes
