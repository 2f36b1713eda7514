"""Replaces the content of a file: a plain form that goes to the upload service by a ticket."""

from __future__ import annotations

from flask import Blueprint, render_template, url_for

from wharf_console.api import files, tickets
from wharf_console.api.tickets import Place
from wharf_console.web import headers, origins
from wharf_console.web.access import needs
from wharf_console.web.current import api

_SECONDS = 15 * 60
# As auth takes them; a key of many characters that are no ASCII is longer.
_MAX_REDIRECT_CHARACTERS = 2000


def add(routes: Blueprint) -> None:
    """Add the page."""

    @routes.get("/replace/<path:key>")
    @needs("files:write")
    def replace(bucket: str, key: str) -> str:
        file = files.read(api(), bucket, key)
        way_back = _way_back(bucket, key)
        place = Place(bucket=bucket, key=key, max_files=1, redirect=(way_back,))
        ticket = tickets.make(api(), place, seconds=_SECONDS)
        headers.name_this_page()
        return render_template(
            "files/replace.html",
            bucket=bucket,
            file=file,
            ticket=ticket.access_token,
            way_back=way_back,
            minutes=ticket.expires_in // 60,
        )


def _way_back(bucket: str, key: str) -> str:
    """Return the page that the form leads to: the file's, or the list."""
    page = origins.here_absolute(url_for("files.details", bucket=bucket, key=key, replaced="1"))
    if len(page) <= _MAX_REDIRECT_CHARACTERS:
        return page
    return origins.here_absolute(url_for("files.listing", bucket=bucket))
