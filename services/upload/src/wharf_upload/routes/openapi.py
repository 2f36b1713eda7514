"""`GET /openapi.json`, and the routes that Flask must know although it does not handle them."""

from __future__ import annotations

import re
from typing import Any

from flask import Response

from servicekit import openapi
from servicekit.openapi import Route
from servicekit.problems import NOT_FOUND
from servicekit.protected_routes import ProtectedBlueprint
from servicekit.protection import TOKEN, public
from wharf_upload import __version__
from wharf_upload.http.openapi import files

_PARAMETER = re.compile(r"\{(\w+)\}")


def blueprint(routes_of_app: list[Route]) -> ProtectedBlueprint:
    """Return the routes."""
    routes = ProtectedBlueprint("openapi", __name__, protection=TOKEN)
    for route in files.ROUTES:
        # Flask needs these routes for the `Allow` field of its refusals.
        routes.add_url_rule(
            _PARAMETER.sub(r"<\1>", route.path.replace("{key}", "<path:key>")),
            f"{route.method} {route.path}",
            _answered_elsewhere,
            methods=[route.method],
            provide_automatic_options=False,
            strict_slashes=False,
        )
    routes.add_url_rule(
        "/openapi.json",
        view_func=openapi.served(lambda: _document(routes_of_app)),
        protection=public("The document describes the service, and holds no data."),
    )
    return routes


def _document(routes_of_app: list[Route]) -> dict[str, Any]:
    # Import late: only the document needs the examples, so they use no memory until then.
    from wharf_upload.http.openapi.guide import GUIDE

    every = [*routes_of_app, *files.ROUTES]
    return openapi.document("Wharf upload", __version__, every, files.ALWAYS, GUIDE)


def _answered_elsewhere(**_: str) -> Response:
    raise NOT_FOUND("Nothing is here.")
