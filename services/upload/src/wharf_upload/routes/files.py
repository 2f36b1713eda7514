"""`/v1/files/{bucket}/{key…}`: GET, HEAD and PUT of a file.

The gateway chooses one of two ways for a PUT (`deploy/nginx/conf.d/requests.conf`). A small body
arrives in memory together with its request. A large body is first admitted (`routes/admission.py`),
then spooled by the gateway, then received (`SPOOL_FILE` names its file). The client sees no
difference.
"""

from __future__ import annotations

import os
from contextlib import suppress

from servicekit.problems import LENGTH_REQUIRED
from servicekit.ratelimits import RateLimits
from wharf_upload import timings
from wharf_upload.access import reach
from wharf_upload.access.authorization import READ
from wharf_upload.domain.file_writes import Stored
from wharf_upload.domain.pictures import width_of
from wharf_upload.downloads.files import Downloads
from wharf_upload.downloads.headers import file_headers
from wharf_upload.downloads.pictures import picture_headers
from wharf_upload.http import completeness, preferences, schemas, upload_protocol
from wharf_upload.http.credentials import Credentials
from wharf_upload.http.request import (
    FILE_ROUTE,
    TICKET_ROUTE,
    Headers,
    Request,
    Response,
    json_response,
    path_of,
)
from wharf_upload.http.sending import download_name, send, send_picture
from wharf_upload.http.upload_fields import file_upload
from wharf_upload.uploads.admission import Admission
from wharf_upload.uploads.receive_file import FileReceiver
from wharf_upload.uploads.slices import fields as slices


class FileRoutes:
    """Handlers of requests for one file."""

    def __init__(
        self,
        credentials: Credentials,
        rates: RateLimits,
        admission: Admission,
        receiver: FileReceiver,
        downloads: Downloads,
    ) -> None:
        self._credentials, self._rates, self._admission = credentials, rates, admission
        self._receiver, self._downloads = receiver, downloads

    def put(self, request: Request) -> Response:
        """Store a small body; admission and upload are the same request."""
        request.route = TICKET_ROUTE if request.by_ticket else FILE_ROUTE
        self._credentials.authorize_upload(request)
        upload = file_upload(request)
        length = upload.length_bytes
        if length is None:
            # The gateway never sends a chunked body this way. A request without any length has no
            # body (RFC 9110 section 8.6).
            raise LENGTH_REQUIRED("Send Content-Length or Transfer-Encoding: chunked.")
        completeness.require_length(request, length)
        intent = self._admission.admit_file(upload)
        self._rates.charge_bytes(upload.caller, length)
        timings.ended(timings.ADMISSION, request.started)
        return _stored(request, self._receiver.receive_bytes(intent, request.body(length)))

    def put_spooled(self, request: Request) -> Response:
        """Store an admitted and spooled body; `request.principal` is its sender."""
        upload = file_upload(request)
        intent = self._admission.intent_of(upload)
        spool_file: str = request.environ["SPOOL_FILE"]
        if completeness.is_length_said(request):
            # The client disconnected, and the gateway deleted the file.
            with suppress(FileNotFoundError):
                completeness.require_length(request, os.stat(spool_file).st_size)
        return _stored(request, self._receiver.receive_spooled(request.caller, intent, spool_file))

    def get(self, request: Request) -> Response:
        """Decide about a download; the gateway sends the bytes (`X-Accel-Redirect`)."""
        principal = self._credentials.authorize(request, READ)
        query: str | None = request.environ.get("QUERY_STRING")
        if query and slices.asks_for_slice(query):
            # With a 200, the uploader would assume that the slice exists and would not send it.
            request.outcome = "no-slice"
            return Response(204, [("Cache-Control", "no-store")])
        width = width_of(query) if query else None
        bucket, key = request.address()
        reach.require(principal, "read", bucket, key)
        file = self._downloads.find(principal.tenant, bucket, key)
        place = self._downloads.place(file)
        if width is not None:
            return send_picture(request, file, width, place, picture_headers(file, width))
        name = download_name(query, file)
        return send(request, file, place, file_headers(file, name))


def _stored(request: Request, stored: Stored) -> Response:
    file = stored.files[0]
    request.outcome = outcome = "replayed" if stored.replayed else "stored"
    upload_protocol.note_stored("ticket" if request.by_ticket else "raw", outcome, stored.files)
    headers: Headers = [("Location", path_of(file.bucket, file.key)), ("ETag", file.etag)]
    if stored.replayed:
        headers.append(("Idempotent-Replayed", "true"))
    if completeness.speaks(request):
        headers += [("Upload-Complete", "?1"), ("Upload-Offset", str(file.size))]
    if preferences.returned(request) == "minimal":
        return Response(204, [*headers, preferences.applied("minimal")])
    return json_response(201, schemas.of_file(file), headers)
