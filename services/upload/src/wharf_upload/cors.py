"""Cross-origin requests (the Fetch standard): who may read the answers of which addresses.

Speaks of routes that name a bucket: `/v1/files/…`, tickets, links, public files. The tenant decides
by the bucket's `cors_origins`. Answers of the application get their header fields here; those that
the gateway makes by itself ask through `decide` (`deploy/nginx/snippets/cors.conf.template`).
Nothing is ever allowed with credentials that a browser adds of its own accord: there are none.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import Any, NamedTuple

import msgspec

from servicekit.database import DatabaseUnavailable
from servicekit.tickets import Ticket
from servicekit.tokens import MAX_TOKEN_BYTES, Principal
from wharf_upload.domain import keys, sharing
from wharf_upload.exchange import FILES, TICKETS, Exchange, Headers, Reply, raw_path
from wharf_upload.routes import partial, tus
from wharf_upload.service import Service

_PREFIXES = (FILES, TICKETS, sharing.LINKS, sharing.PUBLIC, tus.PATH)
_READ, _WRITE = "GET, HEAD", "GET, HEAD, POST, PUT, PATCH, DELETE"
# What a page may send beside what every page may. Cache-Control and X-Requested-With mean nothing
# here, but dropzone and others send them, and are refused a preflight that leaves them out.
_SENT = (
    "Authorization, Content-Type, If-Match, If-None-Match, If-Modified-Since, If-Range, Range, "
    "Idempotency-Key, Content-Digest, Repr-Digest, Prefer, X-Request-Id, Tus-Resumable, "
    "Upload-Length, Upload-Defer-Length, Upload-Offset, Upload-Metadata, Upload-Checksum, "
    "Upload-Concat, Upload-Complete, Upload-Draft-Interop-Version, X-HTTP-Method-Override, "
    "Cache-Control, "
    "X-Requested-With"
)
# What a page may read beside what every page may; the same in snippets/cors_answer.conf.
EXPOSED = (
    "ETag, Location, Content-Range, Content-Disposition, Accept-Ranges, Repr-Digest, "
    "Idempotent-Replayed, Preference-Applied, X-Request-Id, Retry-After, RateLimit, "
    "RateLimit-Policy, WWW-Authenticate, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, "
    "Tus-Checksum-Algorithm, Upload-Offset, Upload-Length, Upload-Defer-Length, Upload-Expires, "
    "Upload-Metadata, Upload-Concat, Upload-Complete, Upload-Limit"
)
_PREFLIGHT_SECONDS = "600"
_AGE_SECONDS = "2"


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


def allowed_origin(
    service: Service, environ: dict[str, Any], principal: Principal | None
) -> str | None:
    """The request's origin, if it may read the answer."""
    origin: str | None = environ.get("HTTP_ORIGIN")
    if not origin:
        return None
    place = _place(service, raw_path(environ), principal)
    if place is None or not service.origins.allows(*place, origin):
        return None
    return origin


def fields(service: Service, environ: dict[str, Any], principal: Principal | None) -> Headers:
    """The fields of an actual answer."""
    origin = allowed_origin(service, environ, principal)
    if origin is None:
        return [("Vary", "Origin")]
    return [
        ("Vary", "Origin"),
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", EXPOSED),
    ]


def preflight(service: Service, exchange: Exchange) -> Reply:
    """`OPTIONS`, by which a browser asks first (Fetch section 3.2.2); needs no credential."""
    exchange.route, exchange.outcome = "(preflight)", "answered"
    path = raw_path(exchange.environ)
    methods = _READ if sharing.is_shared(path) else _WRITE
    headers: Headers = [
        ("Allow", f"{methods}, OPTIONS"),
        ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]
    origin = allowed_origin(service, exchange.environ, None)
    if origin is not None:
        headers += [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", _SENT),
            ("Access-Control-Max-Age", _PREFLIGHT_SECONDS),
        ]
    if path.startswith(tus.PATH):
        headers += [*tus.options(service), partial.limit(service)]
    return Reply(204, headers)


def decide(service: Service, exchange: Exchange) -> Reply:
    """Whether the gateway's own refusal of this request may be read; kept by it for a moment."""
    exchange.route, exchange.outcome = "(cors)", "decided"
    headers: Headers = [("X-Accel-Expires", _AGE_SECONDS)]
    origin = allowed_origin(service, exchange.environ, None)
    if origin is not None:
        headers.append(("X-Allow-Origin", origin))
    return Reply(204, headers)


def _place(service: Service, path: str, principal: Principal | None) -> Place | None:
    """The bucket that a path speaks of; `None` where there is none to speak of."""
    if path.startswith(FILES):
        bucket = path[len(FILES) :].partition("/")[0]
        try:
            return Place(principal.tenant if principal else None, keys.bucket_name(bucket))
        except keys.InvalidName:
            return None
    if path.startswith(tus.PATH):
        # The address does not say which bucket; the upload's own metadata does.
        return Place(principal.tenant if principal else None, None)
    if path.startswith(TICKETS):
        return _ticket_place(path[len(TICKETS) :].partition("/")[0])
    try:
        address = sharing.address_of(service, path, ask=not service.outage.is_on())
    except (sharing.NotShared, DatabaseUnavailable):
        return None
    return Place(address.tenant, address.bucket)


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
