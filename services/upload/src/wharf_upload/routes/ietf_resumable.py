"""Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload), on the common upload engine.

The service supports interop versions 8 and 9. The service sends no 104 response: nginx forwards no
interim response of an application except 103, and any other breaks the connection. So only a `PUT`
with `Upload-Complete: ?0` can be resumed. A client that wants to resume must first create the
upload with an empty request. A `PUT` with `?1` is the `PUT` of a whole file (`routes/files.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from servicekit.problems import MALFORMED, UNSUPPORTED_MEDIA
from wharf_upload.access import tickets
from wharf_upload.domain.resumable_upload import UploadOptions
from wharf_upload.http.completeness import is_part, number
from wharf_upload.http.request import (
    FILES,
    PARTIAL_UPLOAD_TYPE,
    TICKETS,
    UPLOADS,
    Headers,
    Request,
    raw_path,
)
from wharf_upload.http.upload_addresses import identifier_of
from wharf_upload.http.upload_fields import file_upload, part_upload
from wharf_upload.problems import UPLOAD_LENGTH
from wharf_upload.uploads.resumable.values import Progress, UploadCreation

_TRUE, _FALSE = "?1", "?0"


def complete(request: Request) -> bool:
    """Tell whether this request has the end of the file; raises 400 without a valid boolean."""
    if request.header("UPLOAD_COMPLETE") is None:
        raise MALFORMED("Send Upload-Complete: ?0, or ?1 with the last bytes.")
    return not is_part(request)


def offset(request: Request) -> int:
    """Return `Upload-Offset` in bytes; raises 400 without a valid number."""
    found = number(request, "UPLOAD_OFFSET", "Upload-Offset")
    if found is None:
        raise MALFORMED("Send Upload-Offset, the position in the file where these bytes begin.")
    return found


def length(request: Request, begins_at: int) -> int | None:
    """Return the length of the whole file in bytes, or `None` while it is unknown.

    The client announces the length, or the last request shows it. Raises 400 if the two differ.
    """
    announced = number(request, "UPLOAD_LENGTH", "Upload-Length")
    body = request.content_length()
    if not complete(request) or body is None:
        return announced
    if announced is not None and announced != begins_at + body:
        raise UPLOAD_LENGTH(
            "Upload-Length is not the sum of the offset and the length of this content.",
            length=announced,
        )
    return begins_at + body


def creation(request: Request) -> UploadCreation:
    """Return the upload that a `PUT` of a file begins; raises the errors of parsing the request."""
    # The gateway of the previous release also sends whole files to this handler.
    upload = part_upload(request) if is_part(request) else file_upload(request)
    return UploadCreation(
        bucket=upload.bucket,
        key=upload.key,
        length=length(request, 0),
        options=UploadOptions(
            declared_type=upload.declared_type,
            on_conflict="replace" if tickets.may_replace(upload.ticket) else "error",
            condition=upload.condition,
            digests=dict(upload.digests),
            idempotency=upload.idempotency,
            protocol="ietf",
        ),
    )


def require_content_type(request: Request) -> None:
    """Raise 415 unless the Content-Type is that of a part of an upload."""
    if request.environ.get("CONTENT_TYPE") != PARTIAL_UPLOAD_TYPE:
        raise UNSUPPORTED_MEDIA(
            f"Send Content-Type: {PARTIAL_UPLOAD_TYPE}.", expected=PARTIAL_UPLOAD_TYPE
        )


class UploadLimits:
    """Makes the `Upload-Limit` field: sizes in bytes, age in seconds."""

    def __init__(
        self, clock: Callable[[], float], *, max_file_bytes: int, expiry_seconds: int
    ) -> None:
        """Take a `clock` of unix seconds."""
        self.max_file_bytes = max_file_bytes
        self._clock, self._expiry_seconds = clock, expiry_seconds

    def field(self, progress: Progress | None = None, most: int | None = None) -> tuple[str, str]:
        """Return the header field; `most` is the largest size by the rules of this upload."""
        age = self._expiry_seconds
        if progress is not None:
            age = max(0, progress.upload.expires_at // 1000 - int(self._clock()))
        largest = self.max_file_bytes if most is None else most
        return ("Upload-Limit", f"max-size={largest}, min-size=0, max-age={age}")

    def fields_of(self, progress: Progress, most: int | None = None) -> Headers:
        """Return the header fields of every response about an upload."""
        headers: Headers = [
            ("Upload-Complete", _TRUE if progress.complete else _FALSE),
            ("Upload-Offset", str(progress.offset)),
            self.field(progress, most),
            ("Cache-Control", "no-store"),
        ]
        if progress.upload.length is not None:
            headers.append(("Upload-Length", str(progress.upload.length)))
        return headers


def is_streamed(request: Request) -> bool:
    """Tell whether the gateway streams this request (`deploy/nginx/conf.d/requests.conf`)."""
    path = raw_path(request.environ)
    if path.startswith((FILES, TICKETS)) and request.method == "PUT":
        # The gateway of the previous release does not set this variable.
        word = request.environ.get("WHARF_PART")
        return is_part(request) if word is None else bool(word)
    if path.startswith(TICKETS):
        return identifier_of(path) is not None
    return path == UPLOADS or path.startswith(UPLOADS + "/")
