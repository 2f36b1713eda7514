"""Serves scripts and styles that the gateway does not have.

During an update, a browser may get a page of one release and request its files from a gateway with
another release.
"""

from __future__ import annotations

from pathlib import PurePath

from flask import Blueprint, Response, abort, send_from_directory

from wharf_console.context import AppContext
from wharf_console.web.access import open_to_all
from wharf_console.web.assets import DIST, STATIC

# The same types as in the gateway (deploy/nginx/snippets/console.conf.template).
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_YEAR_SECONDS = 365 * 24 * 3600


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the route; nginx forwards requests for files it did not find."""
    routes = Blueprint("static_files", __name__)

    @routes.get(f"{STATIC}<name>")
    @open_to_all("scripts and styles contain no data of people")
    def static_file(name: str) -> Response:
        media_type = _TYPES.get(PurePath(name).suffix)
        if media_type is None:
            abort(404)
        reply = send_from_directory(DIST, name, mimetype=media_type, max_age=_YEAR_SECONDS)
        # The name contains a digest of the content.
        reply.cache_control.public = reply.cache_control.immutable = True
        return reply

    return routes
