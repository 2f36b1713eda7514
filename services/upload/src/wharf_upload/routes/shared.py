"""`/s/{token}` and `/public/{tenant}/{bucket}/{key…}`: files that clients read without a token.

The gateway makes most responses (`deploy/nginx/snippets/shared_files.conf.template`). The gateway
asks `decide` which file to send with which header fields, caches the decision for a moment, and
sends the file. `get` handles requests with conditions that nginx cannot evaluate.
"""

from __future__ import annotations

from collections.abc import Callable

from servicekit.problems import METHOD, NOT_FOUND
from servicekit.web import who
from wharf_upload.domain.conditions import http_date
from wharf_upload.domain.digests import repr_digest
from wharf_upload.domain.files import File
from wharf_upload.domain.keys import InvalidName
from wharf_upload.domain.pictures import NoSuchWidth, width_of
from wharf_upload.downloads import pictures
from wharf_upload.downloads.files import Downloads
from wharf_upload.downloads.headers import content_type, file_headers
from wharf_upload.downloads.shared import LINKS, NotShared, Shared, SharedFiles
from wharf_upload.http.cors import CrossOrigin
from wharf_upload.http.request import Headers, Request, Response, raw_path
from wharf_upload.http.sending import download_name, kind, send, send_picture
from wharf_upload.http.sending_signed import internal_address
from wharf_upload.storage.base import GatewayPlace

LINK_ROUTE, PUBLIC_ROUTE = "/s/{token}", "/public/{tenant}/{bucket}/{key}"
ALLOWED = "GET, HEAD, OPTIONS"
# How long the gateway caches a decision, in seconds. nginx counts whole seconds, so the time may be
# up to one second longer.
_GOOD_SECONDS, _BAD_SECONDS = 1, 1


class SharedRoutes:
    """Handles requests for the files of links and public addresses."""

    def __init__(
        self,
        shared_files: SharedFiles,
        downloads: Downloads,
        cross_origin: CrossOrigin,
        clock: Callable[[], float],
        *,
        content_origin: str,
    ) -> None:
        """Take `content_origin`, the separate origin of user content, or an empty text."""
        self._shared_files, self._downloads = shared_files, downloads
        self._cross_origin, self._clock = cross_origin, clock
        self._content_origin = content_origin

    def decide(self, request: Request) -> Response:
        """Tell the gateway which file to send for a path; a 403 means that there is none."""
        request.route = "(sharing)"
        try:
            width = width_of(request.environ.get("QUERY_STRING"))
            shared = self._shared_files.find(raw_path(request.environ))
        except (NoSuchWidth, NotShared):
            request.outcome = "not-found"
            # The gateway asks separately which pages may read the refusal (`snippets/cors.conf`).
            return Response(403, [("X-Accel-Expires", str(_BAD_SECONDS))])
        request.outcome = "shared"
        origin = self._cross_origin.allowed(request.environ, None, shared.policy)
        allowed: Headers = [] if origin is None else [("X-Allow-Origin", origin)]
        file, place = shared.file, self._downloads.place(shared.file)
        headers: Headers = [
            ("X-Accel-Expires", str(_seconds(shared, self._clock()))),
            ("X-Shared-Blob", place.location),
            ("X-Shared-Cache-Control", shared.cache_control),
            ("X-Shared-Resource-Policy", self._resource_policy(shared)),
            *(_of_file(request, shared) if width is None else _of_picture(shared, width)),
            *allowed,
            who(file.tenant, ""),
        ]
        if place.signed:
            headers += _signed(file, place)
        return Response(204, headers)

    def get(self, request: Request) -> Response:
        """Return the complete response, after the conditions on the tag of the file or picture."""
        path = raw_path(request.environ)
        request.route = LINK_ROUTE if path.startswith(LINKS) else PUBLIC_ROUTE
        if request.method not in ("GET", "HEAD"):
            raise METHOD(METHOD.description, headers=(("Allow", ALLOWED),))
        try:
            width = width_of(request.environ.get("QUERY_STRING"))
            shared = self._shared_files.find(path)
        except (NoSuchWidth, NotShared):
            # The text must equal that of the gateway (snippets/problems.conf.template).
            raise NOT_FOUND("Nothing is here.") from None
        request.shown = shared.policy
        file, place = shared.file, self._downloads.place(shared.file)
        policy = ("Cross-Origin-Resource-Policy", self._resource_policy(shared))
        if width is not None:
            headers = pictures.picture_headers(
                file, width, name=shared.address.name, cache_control=shared.cache_control
            )
            return send_picture(request, file, width, place, [*headers, policy])
        headers = file_headers(
            file,
            disposition=shared.disposition(_name(request, file)),
            cache_control=shared.cache_control,
        )
        return send(request, file, place, [*headers, policy])

    def _resource_policy(self, shared: Shared) -> str:
        """Return which pages may embed the file (Fetch section 3.7).

        All pages may embed the file if the bucket is public, or if user content has a separate
        origin: then every page that shows the file has another origin.
        """
        everybody = shared.policy.public or self._content_origin
        return "cross-origin" if everybody else "same-origin"


def _of_file(request: Request, shared: Shared) -> Headers:
    file = shared.file
    return [
        ("X-Shared-Kind", kind(file.media_type, utf8=file.utf8)),
        ("X-Shared-Etag", file.etag),
        ("X-Shared-Disposition", shared.disposition(_name(request, file))),
        ("X-Shared-Digest", repr_digest(bytes.fromhex(file.sha256))),
    ]


def _of_picture(shared: Shared, width: int) -> Headers:
    return [
        ("X-Shared-Etag", pictures.etag(shared.file, width)),
        ("X-Shared-Disposition", pictures.disposition(shared.file, shared.address.name)),
    ]


def _signed(file: File, place: GatewayPlace) -> Headers:
    """Return the header fields that the gateway cannot derive, because it has no file on a disk."""
    return [
        ("X-Shared-Signed", place.signed),
        ("X-Shared-Way", internal_address(place, kind(file.media_type, utf8=file.utf8))),
        ("X-Shared-Type", content_type(file.media_type, utf8=file.utf8)),
        ("X-Shared-Size", str(file.size)),
        ("X-Shared-Last-Modified", http_date(file.created_at // 1000)),
    ]


def _name(request: Request, file: File) -> str | None:
    """Return the requested name of the download, or the file's own name if it is invalid.

    The response to a gateway question is only yes or no, so it cannot report an invalid name.
    """
    try:
        return download_name(request.environ.get("QUERY_STRING"), file)
    except InvalidName:
        return download_name("download=", file)


def _seconds(shared: Shared, now: float) -> int:
    if shared.until is None:
        return _GOOD_SECONDS
    # The age is one whole second less: no decision may outlive its link or file.
    return max(0, min(_GOOD_SECONDS, int(shared.until - now) - 1))
