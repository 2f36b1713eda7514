"""Contents of files: by signed links alone, on the origin of the contents."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response

from wharf_console.api import links
from wharf_console.context import AppContext
from wharf_console.web import content
from wharf_console.web.access import needs
from wharf_console.web.current import api

_SECONDS = 60
# Browsers keep the address behind the redirect, and ask it for later parts of a film.
_PLAYING_SECONDS = 6 * 3600


def add(routes: Blueprint, context: AppContext) -> None:
    """Add the addresses that lead to contents."""

    @routes.get("/open/<path:key>", endpoint="open")
    @needs("files:read")
    def open_file(bucket: str, key: str) -> Response:
        """Lead to the file: shown where that is harmless, else saved."""
        shown = "download" not in request.args and content.is_apart(context.settings)
        seconds = _PLAYING_SECONDS if "play" in request.args else _SECONDS
        return _to_link(bucket, key, seconds, "inline" if shown else "attachment")

    @routes.get("/thumb/<path:key>")
    @needs("files:read")
    def thumb(bucket: str, key: str) -> Response:
        """Lead to the picture itself: there are no small ones yet."""
        if not content.is_apart(context.settings):
            abort(404)
        return _to_link(bucket, key, _SECONDS, "inline")


def _to_link(bucket: str, key: str, seconds: int, disposition: str) -> Response:
    link = links.make(api(), bucket, key, seconds=seconds, disposition=disposition)
    return redirect(link.url, 303)
