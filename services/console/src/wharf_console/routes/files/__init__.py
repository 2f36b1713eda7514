"""The files of a bucket: the list, pages of files, and actions on one or several files."""

from __future__ import annotations

from flask import Blueprint

from wharf_console.context import AppContext
from wharf_console.routes.files import (
    contents,
    deleting,
    describing,
    details,
    linking,
    listing,
    moving,
    renaming,
    replacing,
)


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("files", __name__, url_prefix="/console/b/<bucket>")
    listing.add(routes, context)
    details.add(routes, context)
    contents.add(routes, context)
    for subject in (deleting, describing, linking, moving, renaming, replacing):
        subject.add(routes)
    return routes
