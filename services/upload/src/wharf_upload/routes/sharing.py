"""`/s/{token}` and `/public/{tenant}/{bucket}/{key…}`: files without a token.

Most answers are the gateway's (`deploy/nginx/snippets/shared_files.conf.template`): it asks
`decide` which file to send and as what, keeps the answer for a moment, and sends the file. Requests
with conditions that nginx cannot judge come here whole (`get_shared`).
"""

from __future__ import annotations

import re

from servicekit.database import DatabaseUnavailable
from servicekit.problems import METHOD, NOT_FOUND
from servicekit.web import who
from wharf_upload import cors
from wharf_upload.domain import serving, sharing
from wharf_upload.domain.digests import repr_digest
from wharf_upload.domain.keys import InvalidName
from wharf_upload.domain.sharing import NotShared, Shared
from wharf_upload.exchange import Exchange, Headers, Reply, raw_path
from wharf_upload.records.base import File
from wharf_upload.routes.files import download_name, serve
from wharf_upload.service import Service
from wharf_upload.stores.base import BlobName

LINK_ROUTE, PUBLIC_ROUTE = "/s/{token}", "/public/{tenant}/{bucket}/{key}"
ALLOWED = "GET, HEAD, OPTIONS"
# How long the gateway keeps a decision, in seconds. It counts whole seconds, so up to one more.
_GOOD_SECONDS, _BAD_SECONDS = 1, 1
_NOT_IN_EXTENSION = re.compile(r"[^a-z0-9+-]")


def decide(service: Service, exchange: Exchange) -> Reply:
    """Which file the gateway sends for a path; a 403 says that there is none."""
    exchange.route = "(sharing)"
    try:
        shared = _find(service, raw_path(exchange.environ))
    except NotShared:
        exchange.outcome = "not-found"
        return Reply(403, [("X-Accel-Expires", str(_BAD_SECONDS)), *_origin(service, exchange)])
    exchange.outcome = "shared"
    file = shared.file
    name = _name(exchange, file)
    blob = service.store.internal_path(BlobName(file.tenant, file.blob))
    headers: Headers = [
        ("X-Accel-Expires", str(_seconds(shared, service.clock()))),
        ("X-Shared-Blob", blob),
        ("X-Shared-Kind", kind(file.media_type)),
        ("X-Shared-Etag", file.etag),
        ("X-Shared-Disposition", shared.disposition(name)),
        ("X-Shared-Cache-Control", shared.cache_control),
        ("X-Shared-Digest", repr_digest(bytes.fromhex(file.sha256))),
        ("X-Shared-Resource-Policy", resource_policy(service, shared)),
        *_origin(service, exchange),
        who(file.tenant, ""),
    ]
    return Reply(204, headers)


def get_shared(service: Service, exchange: Exchange) -> Reply:
    """The answer itself, conditions judged by the file's own tag."""
    path = raw_path(exchange.environ)
    exchange.route = LINK_ROUTE if path.startswith(sharing.LINKS) else PUBLIC_ROUTE
    if exchange.method not in ("GET", "HEAD"):
        raise METHOD(METHOD.description, headers=(("Allow", ALLOWED),))
    try:
        shared = _find(service, path)
    except NotShared:
        # Word for word what the gateway says (snippets/problems.conf.template).
        raise NOT_FOUND("Nothing is here.") from None
    name = _name(exchange, shared.file)
    headers = serving.headers(
        shared.file, disposition=shared.disposition(name), cache_control=shared.cache_control
    )
    headers.append(("Cross-Origin-Resource-Policy", resource_policy(service, shared)))
    return serve(service, exchange, shared.file, headers)


def resource_policy(service: Service, shared: Shared) -> str:
    """Who may embed the file (Fetch section 3.7): everybody, where the bucket is public or user
    content has an origin of its own, since then every page that shows it is of another one.
    """
    everybody = shared.policy.public or service.settings.content_origin
    return "cross-origin" if everybody else "same-origin"


def kind(media_type: str) -> str:
    """The type as an extension; `deploy/nginx/snippets/shared_types.conf` turns it back."""
    return _NOT_IN_EXTENSION.sub("_", media_type.lower().replace("/", "-"))


def _name(exchange: Exchange, file: File) -> str | None:
    """The wanted name of the download; for one that cannot be, the file's own.

    nginx passes on yes and no alone when it asks, so there is no word for "a bad name".
    """
    try:
        return download_name(exchange.environ.get("QUERY_STRING"), file)
    except InvalidName:
        return download_name("download=", file)


def _seconds(shared: Shared, now: float) -> int:
    if shared.until is None:
        return _GOOD_SECONDS
    # Whole seconds, and one less: what ends is not there a moment longer.
    return max(0, min(_GOOD_SECONDS, int(shared.until - now) - 1))


def _origin(service: Service, exchange: Exchange) -> Headers:
    origin = cors.allowed_origin(service, exchange.environ, None)
    return [] if origin is None else [("X-Allow-Origin", origin)]


def _find(service: Service, path: str) -> Shared:
    if service.outage.lasts():
        return sharing.find(service, path, ask=False)
    try:
        found = sharing.find(service, path)
    except DatabaseUnavailable:
        service.outage.begin()
        return sharing.find(service, path, ask=False)
    except BaseException:
        service.outage.unknown()
        raise
    service.outage.end()
    return found
