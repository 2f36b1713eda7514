"""Answers about resumable uploads, in the words of the protocol that the client speaks."""

from __future__ import annotations

from wharf_upload.domain.files import File
from wharf_upload.http import schemas, upload_addresses, upload_protocol
from wharf_upload.http.request import Headers, Request, Response, json_response, path_of
from wharf_upload.routes import tus
from wharf_upload.routes.ietf_resumable import UploadLimits
from wharf_upload.uploads.resumable.engine import ResumableUploads
from wharf_upload.uploads.resumable.values import Progress


class UploadAnswers:
    """Makes an answer of how far an upload is."""

    def __init__(self, uploads: ResumableUploads, limits: UploadLimits) -> None:
        self._uploads, self._limits = uploads, limits

    def created(self, request: Request, progress: Progress) -> Response:
        """Return the answer to the request that began an upload, with its first bytes or none."""
        location = upload_addresses.location(request, progress.upload.id)
        if tus.is_tus(request):
            return Response(201, [location, *tus.fields_of(progress)])
        if progress.file is not None:
            return self._stored(request, progress, progress.file)
        return Response(201, [location, *self._ietf_fields(request, progress)])

    def continued(self, request: Request, progress: Progress) -> Response:
        """Return the answer to a request that brought more bytes."""
        if tus.is_tus(request):
            return Response(204, tus.fields_of(progress))
        if progress.file is not None:
            return self._stored(request, progress, progress.file)
        return Response(204, self._ietf_fields(request, progress))

    def seen(self, request: Request, progress: Progress) -> Response:
        """Return the answer to `HEAD` and `GET`."""
        request.outcome = "upload-seen"
        if tus.is_tus(request):
            return Response(200, [*tus.fields_of(progress), *tus.head_fields(progress)])
        return Response(204, self._ietf_fields(request, progress))

    def _stored(self, request: Request, progress: Progress, file: File) -> Response:
        headers = [
            *self._ietf_fields(request, progress),
            ("Location", path_of(file.bucket, file.key)),
            ("ETag", file.etag),
        ]
        return json_response(201, schemas.of_file(file), headers)

    def _ietf_fields(self, request: Request, progress: Progress) -> Headers:
        most = None
        if not progress.complete:
            most = self._uploads.max_bytes(request.caller, progress.upload)
        return self._limits.fields_of(progress, most)


def count(request: Request, progress: Progress) -> None:
    """Note a file that an upload has become with this request."""
    if progress.file is not None:
        request.outcome = outcome = "replayed" if progress.replayed else "stored"
        protocol = "tus" if tus.is_tus(request) else "ietf"
        upload_protocol.note_stored(protocol, outcome, (progress.file,))
