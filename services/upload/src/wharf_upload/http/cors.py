"""Cross-origin requests (the Fetch standard): who may read the answers of which addresses.

Speaks of routes that name a bucket: `/v1/files/…`, tickets, links, public files. The tenant decides
by the bucket's `cors_origins`. Answers of the application get their header fields here; those that
the gateway makes by itself ask first (`routes/cross_origin.py`,
`deploy/nginx/snippets/cors.conf.template`).
Nothing is ever allowed with credentials that a browser adds of its own accord: there are none.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import Any, NamedTuple

import msgspec

from servicekit.tickets import Ticket
from servicekit.tokens import MAX_TOKEN_BYTES, Principal
from wharf_upload.access.origins import Origins
from wharf_upload.domain import keys
from wharf_upload.downloads import shared
from wharf_upload.downloads.shared import SharedFiles
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


class Place(NamedTuple):
    """A bucket; `tenant` `None`: of whom is not known; `bucket` `None`: any of the tenant's."""

    tenant: str | None
    bucket: str | None


class _Claims(msgspec.Struct, frozen=True):
    tid: str
    ticket: Ticket


_claims = msgspec.json.Decoder(_Claims)


def applies(path: str) -> bool:
    """Whether a path as it was sent is one that pages of other origins may be allowed to use."""
    return path.startswith(_PREFIXES)


class CrossOrigin:
    """Tells which other pages may read an answer."""

    def __init__(self, origins: Origins, shared_files: SharedFiles) -> None:
        self._origins, self._shared_files = origins, shared_files

    def allowed(self, environ: dict[str, Any], principal: Principal | None) -> str | None:
        """Return the request's origin, if it may read the answer."""
        origin: str | None = environ.get("HTTP_ORIGIN")
        if not origin:
            return None
        place = self._place(raw_path(environ), principal)
        if place is None or not self._origins.allows(*place, origin):
            return None
        return origin

    def fields(self, environ: dict[str, Any], principal: Principal | None) -> Headers:
        """Return the header fields of an actual answer."""
        origin = self.allowed(environ, principal)
        if origin is None:
            return [("Vary", "Origin")]
        return [
            ("Vary", "Origin"),
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Expose-Headers", EXPOSED),
        ]

    def _place(self, path: str, principal: Principal | None) -> Place | None:
        """The bucket that a path speaks of; `None` where there is none to speak of."""
        if path.startswith(FILES):
            bucket = path[len(FILES) :].partition("/")[0]
            if principal is not None and not principal.reach.names(bucket):
                return None  # as for one that does not exist
            try:
                return Place(principal.tenant if principal else None, keys.bucket_name(bucket))
            except keys.InvalidName:
                return None
        if path.startswith(UPLOADS):
            # The address does not say which bucket; the upload's own metadata does.
            return Place(principal.tenant if principal else None, None)
        if path.startswith(TICKETS):
            return _ticket_place(path[len(TICKETS) :].partition("/")[0])
        address = self._shared_files.place_of(path)
        return None if address is None else Place(address.tenant, address.bucket)


def _ticket_place(token: str) -> Place | None:
    """The bucket that a ticket names, unverified: that a ticket is bad must be readable too.

    It gives nothing away: what is answered to a bad ticket depends on nothing in it.
    """
    if len(token) > MAX_TOKEN_BYTES or token.count(".") != 2:
        return None
    part = token.split(".")[1]
    try:
        claims = _claims.decode(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return Place(keys.tenant_name(claims.tid), keys.bucket_name(claims.ticket.bucket))
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None
