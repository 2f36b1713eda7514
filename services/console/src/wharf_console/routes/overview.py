"""The first page: buckets, what is used of the quota, what happened last."""

from __future__ import annotations

from flask import Blueprint, render_template

from wharf_console.api import buckets, events
from wharf_console.api.events import Event
from wharf_console.context import AppContext
from wharf_console.web.current import api, user

_LAST_EVENTS = 8


def blueprint(_: AppContext) -> Blueprint:
    """The page."""
    routes = Blueprint("overview", __name__, url_prefix="/console")

    @routes.get("/")
    def overview() -> str:
        return render_template(
            "overview/overview.html",
            buckets=buckets.listed(api()),
            usage=buckets.usage(api()),
            events=_last_events(),
        )

    return routes


def _last_events() -> tuple[Event, ...] | None:
    """Return what happened last, newest first; `None` for roles that may not know."""
    if not user().may("events:read"):
        return None
    return events.newest(api(), limit=_LAST_EVENTS).events
