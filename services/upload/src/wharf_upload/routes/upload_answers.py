"""Responses about resumable uploads, in the protocol that the client uses.

A response about an upload that has become a file names the file (`Content-Location`), because its
key may differ from the requested key. In the IETF protocol, the last response has the file's JSON
unless the client sends `Prefer: return=minimal`, like the response to the `PUT` of a whole file. In
tus, the last response has the JSON if the client sends `Prefer: return=representation`.
"""

from __future__ import annotations

from wharf_upload.domain.files import File
from wharf_upload.http import preferences, schemas, upload_addresses, upload_protocol
from wharf_upload.http.request import Headers, Request, Response, json_response, path_of
from wharf_upload.routes import tus
from wharf_upload.routes.ietf_resumable import UploadLimits
from wharf_upload.uploads.resumable.engine import ResumableUploads
from wharf_upload.uploads.resumable.values import Progress


class UploadAnswers:
    """Makes responses from the progress of an upload."""

    def __init__(self, uploads: ResumableUploads, limits: UploadLimits) -> None:
        self._uploads, self._limits = uploads, limits

    def created(self, request: Request, progress: Progress) -> Response:
        """Return the response to the creation of an upload, with or without its first bytes."""
        location = upload_addresses.location(request, progress.upload.id)
        if tus.is_tus(request):
            return _of_tus(request, (201, 201), [location, *tus.fields_of(progress)], progress)
        if progress.file is not None:
            return self._stored(request, progress, progress.file)
        return Response(201, [location, *self._ietf_fields(request, progress)])

    def continued(self, request: Request, progress: Progress) -> Response:
        """Return the response to a request that appended bytes to an upload."""
        if tus.is_tus(request):
            # tus requires 204; a client that asks for the file's JSON gets a 200.
            return _of_tus(request, (204, 200), tus.fields_of(progress), progress)
        if progress.file is not None:
            return self._stored(request, progress, progress.file)
        return Response(204, self._ietf_fields(request, progress))

    def seen(self, request: Request, progress: Progress) -> Response:
        """Return the response to `HEAD` and `GET`."""
        request.outcome = "upload-seen"
        if tus.is_tus(request):
            status, headers = 200, [*tus.fields_of(progress), *tus.head_fields(progress)]
        else:
            status, headers = 204, self._ietf_fields(request, progress)
        headers += _told(progress)
        if request.method == "GET" and progress.file is not None and _wants_document(request):
            return _document(200, headers, progress.file)
        return Response(status, headers)

    def _stored(self, request: Request, progress: Progress, file: File) -> Response:
        headers = [
            *self._ietf_fields(request, progress),
            ("Location", path_of(file.bucket, file.key)),
            ("ETag", file.etag),
            *_told(progress),
        ]
        if preferences.returned(request) == "minimal":
            return Response(204, [*headers, preferences.applied("minimal")])
        return json_response(201, schemas.of_file(file), headers)

    def _ietf_fields(self, request: Request, progress: Progress) -> Headers:
        most = None
        if not progress.complete:
            most = self._uploads.max_bytes(request.caller, progress.upload)
        return self._limits.fields_of(progress, most)


def count(request: Request, progress: Progress) -> None:
    """Count the file that an upload has become with this request."""
    if progress.file is not None:
        request.outcome = outcome = "replayed" if progress.replayed else "stored"
        protocol = "tus" if tus.is_tus(request) else "ietf"
        upload_protocol.note_stored(protocol, outcome, (progress.file,))


def _of_tus(
    request: Request, statuses: tuple[int, int], headers: Headers, progress: Progress
) -> Response:
    """Return a response: the first status without a body, or the second with the file's JSON."""
    headers = [*headers, *_told(progress)]
    if progress.file is None:
        return Response(statuses[0], headers)
    if _wants_document(request):
        return _document(statuses[1], headers, progress.file)
    if preferences.returned(request) == "minimal":
        headers.append(preferences.applied("minimal"))
    return Response(statuses[0], headers)


def _wants_document(request: Request) -> bool:
    return preferences.returned(request) == "representation"


def _document(status: int, headers: Headers, file: File) -> Response:
    headers.append(preferences.applied("representation"))
    return json_response(status, schemas.of_file(file), headers)


def _told(progress: Progress) -> Headers:
    """Return the header fields that name the file and mark a replay; none without a file."""
    file = progress.file
    if file is None:
        return []
    headers: Headers = [("Content-Location", path_of(file.bucket, file.key))]
    if progress.replayed:
        headers.append(("Idempotent-Replayed", "true"))
    return headers
