"""The first page: buckets, the use of the quota, and the last events."""

from __future__ import annotations

from flask import Blueprint, render_template

from wharf_console.api import buckets, events
from wharf_console.api.events import Event
from wharf_console.context import AppContext
from wharf_console.web import paging, reaching
from wharf_console.web.current import api, user

ROWS = 100
_LAST_EVENTS = 8


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the page."""
    routes = Blueprint("overview", __name__, url_prefix="/console")

    @routes.get("/")
    def overview() -> str:
        page, is_first = paging.at_cursor(
            lambda cursor: buckets.listed(api(), cursor=cursor, limit=ROWS)
        )
        return render_template(
            "overview/overview.html",
            page=page,
            is_first=is_first,
            # The API shows the usage only to people without grants.
            usage=buckets.usage(api()) if reaching.is_everything() else None,
            events=_last_events(),
        )

    return routes


def _last_events() -> tuple[Event, ...] | None:
    """Return the last events, newest first; `None` if the role may not read events."""
    if not user().may("events:read"):
        return None
    return events.newest(api(), limit=_LAST_EVENTS).events
