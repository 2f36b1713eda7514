"""Refuses requests that another site makes a browser send, by the origin and by CSRF tokens."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Flask, request
from flask_wtf import CSRFProtect
from werkzeug.exceptions import Forbidden

from wharf_console.web.assets import STATIC

_CHANGING = frozenset(("POST", "PUT", "PATCH", "DELETE"))
# `none` means that the person started the request, for example from a bookmark. `same-site` is
# refused, because the origin of user content may be on the same site.
_OWN = frozenset(("same-origin", "none"))
# Probes and metrics, and files that are open to all.
_WITHOUT_SESSION = ("/console/healthz", "/console/readyz", "/console/metrics", "/metrics", STATIC)


class CrossSite(Forbidden):
    """A page of another origin requested a change."""


def install(app: Flask, secret: Callable[[], bytes], gateway_url: str) -> CSRFProtect:
    """Check the origin and then the CSRF token of each request, before its view runs."""
    # Tokens are valid as long as the session, because people leave pages open over night.
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    # Flask-WTF's strict check requires a Referer, which the console's pages do not send. This
    # module checks the origin instead.
    app.config["WTF_CSRF_SSL_STRICT"] = False

    # A temporary key for pages without a session; forms with its tokens are refused later.
    app.secret_key = passing = secrets.token_bytes(32)

    @app.before_request
    def know_the_secret() -> None:
        # Read the secret at the first request that needs it, because at startup Redis may be
        # unavailable.
        if app.secret_key is passing and not request.path.startswith(_WITHOUT_SESSION):
            app.secret_key = secret()

    @app.before_request
    def check_origin() -> None:
        if request.method in _CHANGING:
            require_own_origin(gateway_url)

    return CSRFProtect(app)


def comes_from_here() -> bool:
    """Tell whether the request comes from this origin or from the person (`Sec-Fetch-Site`).

    A request without this field counts as one from the person.
    """
    return request.headers.get("Sec-Fetch-Site", "none").strip().lower() in _OWN


def require_own_origin(gateway_url: str) -> None:
    """Raise `CrossSite` for a request from a page of another origin."""
    if not comes_from_here():
        raise CrossSite
    origin = request.headers.get("Origin")
    vouches = "Sec-Fetch-Site" in request.headers
    if origin is not None and not _is_own(origin, gateway_url, browser_vouches=vouches):
        raise CrossSite


def _is_own(origin: str, gateway_url: str, *, browser_vouches: bool) -> bool:
    # With `no-referrer`, browsers send the origin `null` for a form of the console's own page. Then
    # `Sec-Fetch-Site` is enough.
    if origin == "null":
        return browser_vouches
    gateway = urlsplit(gateway_url)
    # The origin in the settings, or another host name of this installation. The scheme may differ,
    # because a proxy may terminate TLS.
    return origin in {
        f"{gateway.scheme}://{gateway.netloc}",
        *(f"{scheme}://{request.host}" for scheme in ("http", "https")),
    }
