"""Redirects to the contents of files: to signed links on the origin of contents."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response

from wharf_console.api import files, links
from wharf_console.context import AppContext
from wharf_console.routes.files import previews
from wharf_console.web import content
from wharf_console.web.access import needs
from wharf_console.web.current import api

_SECONDS = 60


def add(routes: Blueprint, context: AppContext) -> None:
    """Add the routes that redirect to contents."""

    @routes.get("/open/<path:key>", endpoint="open")
    @needs("files:read")
    def open_file(bucket: str, key: str) -> Response:
        """Redirect to the file; the browser shows a file of a harmless type, and saves all others.

        The browser saves every file if the query has `download`, or if pages may not show contents.
        """
        if "download" in request.args or not content.is_apart(context.settings):
            return _to_link(bucket, key, _SECONDS, "attachment")
        # Browsers keep the address after the redirect and request later parts of a video there.
        playing = previews.playing_seconds(files.read(api(), bucket, key))
        return _to_link(bucket, key, max(_SECONDS, playing), "inline")

    @routes.get("/thumb/<path:key>")
    @needs("files:read")
    def thumb(bucket: str, key: str) -> Response:
        """Redirect to a small picture of the file with the width in the query."""
        width = request.args.get("w", type=int)
        if width not in previews.WIDTHS or not content.is_apart(context.settings):
            abort(404)
        return _to_link(bucket, key, _SECONDS, "inline", f"?w={width}")


def _to_link(bucket: str, key: str, seconds: int, disposition: str, query: str = "") -> Response:
    link = links.make_for_a_page(api(), bucket, key, seconds=seconds, disposition=disposition)
    return redirect(link.url + query, 303)
