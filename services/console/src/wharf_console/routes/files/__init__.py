"""The files of a bucket: lists, pages of files, and what is done with one or with several."""

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
    """The pages."""
    routes = Blueprint("files", __name__, url_prefix="/console/b/<bucket>")
    listing.add(routes, context)
    details.add(routes, context)
    contents.add(routes, context)
    for subject in (deleting, describing, linking, moving, renaming, replacing):
        subject.add(routes)
    return routes
