"""The page that replaces the content of a file, with a plain form and a ticket.

If the person may not read the file, the form uploads a file with this name. The form does the same
if the file does not exist and grants limit the person.
"""

from __future__ import annotations

from flask import Blueprint, render_template, url_for

from wharf_console.api import files, tickets
from wharf_console.api.files import File
from wharf_console.api.problems import ApiProblem
from wharf_console.api.tickets import Place
from wharf_console.routes.files.folders import folders_above
from wharf_console.web import headers, origins, reaching
from wharf_console.web.access import needs
from wharf_console.web.current import api

_SECONDS = 15 * 60
# auth's limit for an address. A key with many characters that are not ASCII can exceed it.
_MAX_REDIRECT_CHARACTERS = 2000


def add(routes: Blueprint) -> None:
    """Add the route of the page."""

    @routes.get("/replace/<path:key>")
    @needs("files:write")
    def replace(bucket: str, key: str) -> str:
        reaching.require_below("write", bucket, key)
        file = _found(bucket, key)
        way_back = _way_back(bucket, key)
        place = Place(bucket=bucket, key=key, max_files=1, redirect=(way_back,))
        ticket = tickets.make(api(), place, seconds=_SECONDS)
        headers.name_this_page()
        return render_template(
            "files/replace.html",
            bucket=bucket,
            key=key,
            file=file,
            above=folders_above(key),
            ticket=ticket.access_token,
            way_back=way_back,
            minutes=ticket.expires_in // 60,
        )


def _found(bucket: str, key: str) -> File | None:
    if not reaching.may("read", bucket, key):
        return None
    try:
        return files.read(api(), bucket, key)
    except ApiProblem as problem:
        # A person without grants reaches this page from the list of files, so the file must exist.
        if problem.status != 404 or reaching.is_everything():
            raise
        return None


def _way_back(bucket: str, key: str) -> str:
    """Return the address after the form: the page of the file, or the list.

    The form leads to the list if the person may not read the file, or if the address of the file's
    page is too long.
    """
    page = origins.here_absolute(url_for("files.details", bucket=bucket, key=key, replaced="1"))
    if len(page) <= _MAX_REDIRECT_CHARACTERS and reaching.may("read", bucket, key):
        return page
    return origins.here_absolute(url_for("files.listing", bucket=bucket))
