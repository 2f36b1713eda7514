"""Cross-origin requests (the Fetch standard): which pages may read which responses.

CORS applies to the routes of files (`/v1/files/…`), resumable uploads, tickets, links and public
files. The tenant decides with the `cors_origins` of the bucket. This module adds the header fields
to the responses of the application. For responses that the gateway makes itself, the gateway asks
the application first (`routes/cross_origin.py`, `deploy/nginx/snippets/cors.conf.template`).

The bucket's own list applies only to a verified caller, and to a file that anyone may read. Every
other response (to preflight requests, and refusals without a valid token) reveals nothing. So an
origin may read such a response if any bucket of the installation lists this origin; the bucket in
the address does not matter. The service never allows credentials that a browser adds automatically,
because the service uses no such credentials.
"""

from __future__ import annotations

from typing import Any

from servicekit.tokens import Principal
from wharf_upload.access.origins import Origins, is_listed
from wharf_upload.domain import keys
from wharf_upload.domain.buckets import Policy
from wharf_upload.downloads import shared
from wharf_upload.http.request import FILES, TICKETS, UPLOADS, Headers, raw_path

_PREFIXES = (FILES, TICKETS, shared.LINKS, shared.PUBLIC, UPLOADS)
READ_METHODS, WRITE_METHODS = "GET, HEAD", "GET, HEAD, POST, PUT, PATCH, DELETE"
# The header fields that a page may send in addition to those that the Fetch standard always allows.
# The last fields have little or no effect here, but dropzone, other uploaders and tracing libraries
# add them to every request of a page.
SENT = (
    "Authorization, Content-Type, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, "
    "If-Range, Range, Content-Range, Content-Disposition, "
    "Idempotency-Key, Content-Digest, Repr-Digest, Prefer, X-Request-Id, Tus-Resumable, "
    "Upload-Length, Upload-Defer-Length, Upload-Offset, Upload-Metadata, Upload-Checksum, "
    "Upload-Concat, Upload-Complete, Upload-Incomplete, Upload-Draft-Interop-Version, "
    "X-HTTP-Method-Override, Cache-Control, X-Requested-With, "
    # For W3C Trace Context and Baggage, Sentry, B3, Datadog, New Relic, Jaeger, Application
    # Insights.
    "traceparent, tracestate, baggage, sentry-trace, b3, X-B3-TraceId, X-B3-SpanId, "
    "X-B3-ParentSpanId, X-B3-Sampled, X-B3-Flags, x-datadog-trace-id, x-datadog-parent-id, "
    "x-datadog-origin, x-datadog-sampling-priority, x-datadog-tags, newrelic, uber-trace-id, "
    "Request-Id, Request-Context"
)
# The header fields that a page may read in addition to those that are always readable;
# snippets/cors_answer.conf has the same list.
EXPOSED = (
    "ETag, Location, Content-Location, Content-Range, Content-Disposition, Accept-Ranges, "
    "Repr-Digest, "
    "Idempotent-Replayed, Preference-Applied, X-Request-Id, Retry-After, RateLimit, "
    "RateLimit-Policy, WWW-Authenticate, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, "
    "Tus-Checksum-Algorithm, Upload-Offset, Upload-Length, Upload-Defer-Length, Upload-Expires, "
    "Upload-Metadata, Upload-Concat, Upload-Complete, Upload-Limit"
)


def applies(path: str) -> bool:
    """Tell whether CORS applies to the path of a request, as the client sent it."""
    return path.startswith(_PREFIXES)


class CrossOrigin:
    """Decides which pages of other origins may read a response."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins

    def allowed(
        self, environ: dict[str, Any], principal: Principal | None, shown: Policy | None = None
    ) -> str | None:
        """Return the request's origin if it may read the response, else `None`.

        `shown` is the policy of the bucket if anyone may read the requested file.
        """
        origin: str | None = environ.get("HTTP_ORIGIN")
        if not origin:
            return None
        if shown is not None:
            allowed = is_listed(origin, shown.cors_origins)
        elif principal is not None:
            allowed = self._allows_caller(raw_path(environ), principal, origin)
        else:
            allowed = self._origins.allows(None, None, origin)
        return origin if allowed else None

    def fields(
        self, environ: dict[str, Any], principal: Principal | None, shown: Policy | None = None
    ) -> Headers:
        """Return the CORS header fields of any response but one to a preflight request."""
        origin = self.allowed(environ, principal, shown)
        if origin is None:
            return [("Vary", "Origin")]
        return [
            ("Vary", "Origin"),
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Expose-Headers", EXPOSED),
        ]

    def _allows_caller(self, path: str, principal: Principal, origin: str) -> bool:
        """Tell whether the page of a verified caller may read the response for a path."""
        ticket = principal.ticket
        if path.startswith(UPLOADS) and ticket is None:
            # The address does not name the bucket; only the upload's metadata does.
            return self._origins.allows(principal.tenant, None, origin)
        bucket = ticket.bucket if ticket is not None else None
        if path.startswith(FILES):
            named = path[len(FILES) :].partition("/")[0]
            # A caller with a ticket must not learn of other buckets, and a caller with grants must
            # not learn of buckets outside them.
            known = named == bucket if ticket is not None else principal.reach.names(named)
            bucket = named if known and _is_name(named) else None
        return bucket is not None and self._origins.allows(principal.tenant, bucket, origin)


def _is_name(text: str) -> bool:
    try:
        keys.bucket_name(text)
    except keys.InvalidName:
        return False
    return True
