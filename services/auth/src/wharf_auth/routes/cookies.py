"""The cookie that holds a refresh token, and who may use it.

A browser sends a cookie along with whatever a page asks for. So what uses it, or sets it, is
refused when the page is of another site: `SameSite=Strict` is the first fence, the check here the
second, and it is also what protects a login, which comes without a cookie.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request, Response

from wharf_auth.problems import CROSS_SITE

# The prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis section 4.1.3.2).
REFRESH_COOKIE = "__Host-wharf_refresh"
# `none` is a person's own doing. A neighbour on the same site, as an origin for user content is,
# is a stranger.
_OWN = frozenset(("same-origin", "none"))


def put(response: Response, token: str, max_age_seconds: int) -> None:
    """Gives the browser a refresh token, out of reach for scripts."""
    response.set_cookie(
        REFRESH_COOKIE,
        token,
        max_age=max_age_seconds,
        path="/",
        secure=True,
        httponly=True,
        samesite="Strict",
    )


def clear(response: Response) -> None:
    """Takes the refresh token back."""
    response.delete_cookie(REFRESH_COOKIE, path="/", secure=True, httponly=True, samesite="Strict")


def clearing() -> str:
    """The value of the `Set-Cookie` that takes it back."""
    response = Response()
    clear(response)
    return response.headers["Set-Cookie"]


def private(response: Response) -> Response:
    """Marks what depends on the cookie: no cache keeps it, or gives it to another person."""
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Cookie")
    return response


def require_own_origin(request: Request, gateway_url: str) -> None:
    """Raises the problem `cross-site-request` for a request made by a page of another origin.

    Programs send neither field; of browsers each one sends `Origin` with a POST.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None and site.strip().lower() not in _OWN:
        raise CROSS_SITE("The page that asks for this is of another origin.")
    if origin is not None and origin not in _own_origins(request, gateway_url):
        raise CROSS_SITE("The Origin is not that of this service.")


def _own_origins(request: Request, gateway_url: str) -> set[str]:
    # By the address in the settings, or by another name of the same service: the browser's Host.
    # The scheme is that of the settings, since TLS may end before the gateway.
    parts = urlsplit(gateway_url)
    hosts = (parts.netloc, request.headers.get("Host", ""))
    return {f"{parts.scheme}://{host}" for host in hosts}
