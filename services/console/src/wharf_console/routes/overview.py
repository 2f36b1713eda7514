"""The first page: buckets, what is used of the quota, what happened last."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from wharf_console.api import buckets, events
from wharf_console.api.events import Event
from wharf_console.context import AppContext
from wharf_console.web import reaching
from wharf_console.web.current import api, user

ROWS = 100
_LAST_EVENTS = 8


def blueprint(_: AppContext) -> Blueprint:
    """The page."""
    routes = Blueprint("overview", __name__, url_prefix="/console")

    @routes.get("/")
    def overview() -> str:
        cursor = request.args.get("cursor", "")
        return render_template(
            "overview/overview.html",
            page=buckets.listed(api(), cursor=cursor, limit=ROWS),
            is_first=not cursor,
            # The API tells only those whom no grant limits.
            usage=buckets.usage(api()) if reaching.is_everything() else None,
            events=_last_events(),
        )

    return routes


def _last_events() -> tuple[Event, ...] | None:
    """Return what happened last, newest first; `None` for roles that may not know."""
    if not user().may("events:read"):
        return None
    return events.newest(api(), limit=_LAST_EVENTS).events
