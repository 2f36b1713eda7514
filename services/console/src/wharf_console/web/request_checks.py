"""Refuses what another site makes a person's browser send: the page's origin, and CSRF tokens."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Flask, request
from flask_wtf import CSRFProtect
from werkzeug.exceptions import Forbidden

from wharf_console.web.assets import STATIC

_CHANGING = frozenset(("POST", "PUT", "PATCH", "DELETE"))
# `none` is a person's own doing. A neighbour on the same site, as an origin for user content is,
# is a stranger.
_OWN = frozenset(("same-origin", "none"))
# Asked by those who want to know whether the process lives, and files that are for everybody.
_WITHOUT_SESSION = ("/console/healthz", "/console/readyz", "/console/metrics", "/metrics", STATIC)


class CrossSite(Forbidden):
    """A page of another origin asked for a change."""


def install(app: Flask, secret: Callable[[], bytes], gateway_url: str) -> CSRFProtect:
    """Check the origin first, then the token; both before anything is done."""
    # As long as the session: people leave pages open over night.
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    # It demands a Referer, which our pages do not send; the origin is checked here.
    app.config["WTF_CSRF_SSL_STRICT"] = False

    # For forms on pages that come without a session; what they send is not taken.
    app.secret_key = passing = secrets.token_bytes(32)

    @app.before_request
    def know_the_secret() -> None:
        # With the first request of a session, not with the start: what keeps it may be away.
        if app.secret_key is passing and not request.path.startswith(_WITHOUT_SESSION):
            app.secret_key = secret()

    @app.before_request
    def check_origin() -> None:
        if request.method in _CHANGING:
            require_own_origin(gateway_url)

    return CSRFProtect(app)


def comes_from_here() -> bool:
    """Tell whether no page of another site led the browser here, as far as the browser says."""
    return request.headers.get("Sec-Fetch-Site", "none").strip().lower() in _OWN


def require_own_origin(gateway_url: str) -> None:
    """Raise `CrossSite` for a request made by a page of another origin."""
    if not comes_from_here():
        raise CrossSite
    origin = request.headers.get("Origin")
    vouches = "Sec-Fetch-Site" in request.headers
    if origin is not None and not _is_own(origin, gateway_url, browser_vouches=vouches):
        raise CrossSite


def _is_own(origin: str, gateway_url: str, *, browser_vouches: bool) -> bool:
    # `no-referrer` makes browsers say null for a form of our own page. Where `Sec-Fetch-Site` says
    # same-origin, that is enough.
    if origin == "null":
        return browser_vouches
    gateway = urlsplit(gateway_url)
    # By the name in the settings, or by another name of the same service; TLS may end before us.
    return origin in {
        f"{gateway.scheme}://{gateway.netloc}",
        *(f"{scheme}://{request.host}" for scheme in ("http", "https")),
    }
