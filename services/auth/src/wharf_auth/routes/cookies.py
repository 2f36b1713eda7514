"""The cookie for the refresh token, and the check of the page that a request comes from.

A browser sends a cookie with every request to its origin, even if a page of another origin causes
the request. So auth refuses requests that use or set the cookie if another origin causes them.
`SameSite=Strict` is the first defence, and the check in this module is the second. Only the check
protects a login, since a login is sent without a cookie.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request, Response

from wharf_auth.problems import CROSS_SITE

# For this prefix browsers require Secure, Path=/ and no Domain (RFC 6265bis section 4.1.3.2).
REFRESH_COOKIE = "__Host-wharf_refresh"
# Values of `Sec-Fetch-Site`. `none` means that the person caused the request, for instance by a
# bookmark. `same-site` is missing: an origin for user content may be on the same site.
_OWN = frozenset(("same-origin", "none"))


def put(response: Response, token: str, max_age_seconds: int) -> None:
    """Set the cookie with the refresh token; scripts in the browser cannot read it."""
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
    """Delete the cookie with the refresh token in the browser."""
    response.delete_cookie(REFRESH_COOKIE, path="/", secure=True, httponly=True, samesite="Strict")


def clearing() -> str:
    """Return the value of the `Set-Cookie` header that deletes the cookie."""
    response = Response()
    clear(response)
    return response.headers["Set-Cookie"]


def private(response: Response) -> Response:
    """Forbid caches to store the response, which depends on the cookie."""
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Cookie")
    return response


def require_own_origin(request: Request, gateway_url: str) -> None:
    """Raise the problem `cross-site-request` if a page of another origin caused the request.

    Programs send neither `Origin` nor `Sec-Fetch-Site`. Every browser sends `Origin` with a POST.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None and site.strip().lower() not in _OWN:
        raise CROSS_SITE("A page of another origin sent this request.")
    if origin is not None and origin not in _own_origins(request, gateway_url):
        raise CROSS_SITE("The Origin header is not the origin of this service.")


def _own_origins(request: Request, gateway_url: str) -> set[str]:
    # The service may have other names than the one in the settings: the browser sends the name that
    # it used as `Host`. The scheme is from the settings, since TLS may end before the gateway.
    parts = urlsplit(gateway_url)
    hosts = (parts.netloc, request.headers.get("Host", ""))
    return {f"{parts.scheme}://{host}" for host in hosts}
