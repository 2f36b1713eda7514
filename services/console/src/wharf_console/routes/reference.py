"""`/docs`: the reference of the API, with a page for each of its documents."""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from wharf_console.context import AppContext
from wharf_console.web import headers
from wharf_console.web.access import open_to_all

# Redoc inserts styles into its page, uses `data:` addresses for icons, and searches in a worker.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; worker-src blob:; form-action 'none'; "
    f"base-uri 'none'; frame-ancestors 'none'; report-uri {headers.REPORTS}"
)
# The addresses of the documents, by the last part of the page's address.
DOCUMENTS = {"": "/openapi.json", "auth": "/auth/openapi.json"}


def blueprint(_: AppContext) -> Blueprint:
    """Return the blueprint with the pages."""
    routes = Blueprint("reference", __name__, url_prefix="/docs")

    @routes.get("", defaults={"name": ""}, strict_slashes=False)
    @routes.get("/<name>")
    @open_to_all("the documents are open to all too")
    def document(name: str) -> str:
        if name not in DOCUMENTS:
            abort(404)
        headers.replace_policy(_POLICY)
        return render_template(
            "reference/reference.html", name=name, address=DOCUMENTS[name], documents=DOCUMENTS
        )

    return routes
