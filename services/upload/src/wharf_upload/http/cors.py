"""Cross-origin requests (the Fetch standard): who may read the answers of which addresses.

Speaks of routes that name a bucket: `/v1/files/…`, tickets, links, public files. The tenant decides
by the bucket's `cors_origins`. Answers of the application get their header fields here; those that
the gateway makes by itself ask first (`routes/cross_origin.py`,
`deploy/nginx/snippets/cors.conf.template`).

A bucket is looked at only for its own: for a caller that is verified, and where its file is shown
to anybody. Every other answer (preflights, refusals without a good token) tells nothing, and any
origin that any bucket of the installation lists may read it, whatever the address names.
Nothing is ever allowed with credentials that a browser adds of its own accord: there are none.
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
# What a page may send beside what every page may. The last ones mean little or nothing here, but
# dropzone and others, and the libraries that trace requests, add them to every request of a page.
SENT = (
    "Authorization, Content-Type, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, "
    "If-Range, Range, Content-Range, Content-Disposition, "
    "Idempotency-Key, Content-Digest, Repr-Digest, Prefer, X-Request-Id, Tus-Resumable, "
    "Upload-Length, Upload-Defer-Length, Upload-Offset, Upload-Metadata, Upload-Checksum, "
    "Upload-Concat, Upload-Complete, Upload-Incomplete, Upload-Draft-Interop-Version, "
    "X-HTTP-Method-Override, Cache-Control, X-Requested-With, "
    # W3C Trace Context and Baggage, Sentry, B3, Datadog, New Relic, Jaeger, Application Insights.
    "traceparent, tracestate, baggage, sentry-trace, b3, X-B3-TraceId, X-B3-SpanId, "
    "X-B3-ParentSpanId, X-B3-Sampled, X-B3-Flags, x-datadog-trace-id, x-datadog-parent-id, "
    "x-datadog-origin, x-datadog-sampling-priority, x-datadog-tags, newrelic, uber-trace-id, "
    "Request-Id, Request-Context"
)
# What a page may read beside what every page may; the same in snippets/cors_answer.conf.
EXPOSED = (
    "ETag, Location, Content-Location, Content-Range, Content-Disposition, Accept-Ranges, "
    "Repr-Digest, "
    "Idempotent-Replayed, Preference-Applied, X-Request-Id, Retry-After, RateLimit, "
    "RateLimit-Policy, WWW-Authenticate, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, "
    "Tus-Checksum-Algorithm, Upload-Offset, Upload-Length, Upload-Defer-Length, Upload-Expires, "
    "Upload-Metadata, Upload-Concat, Upload-Complete, Upload-Limit"
)


def applies(path: str) -> bool:
    """Whether a path as it was sent is one that pages of other origins may be allowed to use."""
    return path.startswith(_PREFIXES)


class CrossOrigin:
    """Tells which other pages may read an answer."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins

    def allowed(
        self, environ: dict[str, Any], principal: Principal | None, shown: Policy | None = None
    ) -> str | None:
        """Return the request's origin, if it may read the answer.

        `shown` is the policy of the bucket whose file is shown to anybody.
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
        """Return the header fields of an actual answer."""
        origin = self.allowed(environ, principal, shown)
        if origin is None:
            return [("Vary", "Origin")]
        return [
            ("Vary", "Origin"),
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Expose-Headers", EXPOSED),
        ]

    def _allows_caller(self, path: str, principal: Principal, origin: str) -> bool:
        """Tell whether the page of a verified caller may read the answer of a path."""
        ticket = principal.ticket
        if path.startswith(UPLOADS) and ticket is None:
            # The address does not say which bucket; the upload's own metadata does.
            return self._origins.allows(principal.tenant, None, origin)
        bucket = ticket.bucket if ticket is not None else None
        if path.startswith(FILES):
            named = path[len(FILES) :].partition("/")[0]
            # Whoever has a ticket learns of no other bucket, whoever has grants of none outside.
            known = named == bucket if ticket is not None else principal.reach.names(named)
            bucket = named if known and _is_name(named) else None
        return bucket is not None and self._origins.allows(principal.tenant, bucket, origin)


def _is_name(text: str) -> bool:
    try:
        keys.bucket_name(text)
    except keys.InvalidName:
        return False
    return True
