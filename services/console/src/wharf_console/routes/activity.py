"""The page of the events of files and quotas, newest first."""

from __future__ import annotations

import re

from flask import Blueprint, render_template, request

from wharf_console.api import events
from wharf_console.api.problems import ApiProblem
from wharf_console.context import AppContext
from wharf_console.web.access import needs
from wharf_console.web.current import api

ROWS = 100
# The cursors of this release of the API, and of earlier releases.
_CURSOR = re.compile(r"[A-Za-z0-9_-]{16}|[0-9]{1,18}")
_NO_CURSOR = ("malformed-request", "event-cursor-expired")


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the page."""
    routes = Blueprint("activity", __name__, url_prefix="/console")

    @routes.get("/activity")
    @needs("events:read")
    def overview() -> str:
        kind = request.args.get("kind", "")
        kind = kind if kind in events.KINDS else ""
        before = request.args.get("before", "")
        before = before if _CURSOR.fullmatch(before) else ""
        try:
            page = events.newest(api(), before=before, kind=kind, limit=ROWS)
        except ApiProblem as problem:
            if not before or problem.slug not in _NO_CURSOR:
                raise
            # A person has changed the address or used an old one: show the first page.
            before, page = "", events.newest(api(), kind=kind, limit=ROWS)
        return render_template(
            "activity/overview.html", page=page, kind=kind, kinds=events.KINDS, is_first=not before
        )

    return routes
