"""The first page: buckets, what is used of the quota, what happened last."""

from __future__ import annotations

from flask import Blueprint, render_template

from wharf_console.api import buckets
from wharf_console.context import AppContext
from wharf_console.web.current import api


def blueprint(_: AppContext) -> Blueprint:
    """The page."""
    routes = Blueprint("overview", __name__, url_prefix="/console")

    @routes.get("/")
    def overview() -> str:
        return render_template(
            "overview/overview.html", buckets=buckets.listed(api()), usage=buckets.usage(api())
        )

    return routes
