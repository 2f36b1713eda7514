"""The security headers of all pages; a page may declare another Content-Security-Policy."""

from __future__ import annotations

from flask import Flask, Response, g

REPORTS = "/console/csp-reports"
# Only the console's own files: no inline script, style or handler. Scripts that make HTML from text
# use the Trusted Types policy `wharf`.
_POLICY: dict[str, tuple[str, ...]] = {
    "default-src": ("'none'",),
    "script-src": ("'self'",),
    "style-src": ("'self'",),
    "img-src": ("'self'", "blob:"),
    "connect-src": ("'self'",),
    "form-action": ("'self'",),
    "base-uri": ("'none'",),
    "frame-ancestors": ("'none'",),
    "require-trusted-types-for": ("'script'",),
    "trusted-types": ("wharf",),
    "report-uri": (REPORTS,),
}


def allow(directive: str, *sources: str) -> None:
    """Permit further sources for the page of this request: `allow("media-src", "'self'")`."""
    own = g.setdefault("content_security_policy", {})
    own[directive] = (*own.get(directive, ()), *sources)


def replace_policy(policy: str) -> None:
    """Set another Content-Security-Policy for the page of this request."""
    g.replaced_policy = policy


def name_this_page() -> None:
    """Let the browser send this page's address (`Referer`) to this origin only.

    The page of a refused upload uses the address for the link back.
    """
    g.referrer_policy = "same-origin"


def policy(content_origin: str = "") -> str:
    """Return the policy of the page of this request, for a page without `replace_policy`."""
    directives = dict(_POLICY)
    if content_origin:
        directives["img-src"] = (*directives["img-src"], content_origin)
    for name, sources in g.get("content_security_policy", {}).items():
        before = tuple(one for one in directives.get(name, ()) if one != "'none'")
        directives[name] = (*before, *sources)
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


def install(app: Flask, content_origin: str) -> None:
    """Add the headers to every response."""

    @app.after_request
    def add(response: Response) -> Response:
        headers = response.headers
        headers["Content-Security-Policy"] = g.get("replaced_policy") or policy(content_origin)
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Referrer-Policy"] = g.get("referrer_policy", "no-referrer")
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        headers.setdefault("Cache-Control", "no-store")
        response.vary.add("Cookie")
        return response
