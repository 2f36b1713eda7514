"""What happened to files and quotas, the newest first."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from wharf_console.api import events
from wharf_console.context import AppContext
from wharf_console.web.access import needs
from wharf_console.web.current import api

ROWS = 100
KINDS = (
    "file.created",
    "file.replaced",
    "file.changed",
    "file.moved",
    "file.deleted",
    "file.expired",
    "quota.warning",
)


def blueprint(_: AppContext) -> Blueprint:
    """The page."""
    routes = Blueprint("activity", __name__, url_prefix="/console")

    @routes.get("/activity")
    @needs("events:read")
    def overview() -> str:
        kind = request.args.get("kind", "")
        kind = kind if kind in KINDS else ""
        before = _number(request.args.get("before", ""))
        return render_template(
            "activity/overview.html",
            page=events.newest(api(), before=before, kind=kind, limit=ROWS),
            kind=kind,
            kinds=KINDS,
            is_first=before is None,
        )

    return routes


def _number(text: str) -> int | None:
    """Return the number of an event; `None` where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
