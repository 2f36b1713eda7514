"""The response with a file: the application names the bytes, and the gateway sends them."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from servicekit.file_types import FILE_TYPES
from wharf_upload.content_types.media_types import found_type
from wharf_upload.domain import conditions
from wharf_upload.domain.files import File
from wharf_upload.domain.keys import file_name
from wharf_upload.downloads import pictures
from wharf_upload.http.request import Headers, Request, Response
from wharf_upload.http.sending_signed import send_signed
from wharf_upload.problems import PRECONDITION
from wharf_upload.storage.base import GatewayPlace

INTERNAL, INTERNAL_MATCHED = "/_blobs/", "/_blobs_matched/"
INTERNAL_PICTURE = "/_picture/"
_QUERY_FIELDS = 8
_NOT_IN_EXTENSION = re.compile(r"[^a-z0-9+-]")
# The suffix of the extension for text of an unknown charset.
_NOT_UTF8 = "--8bit"
# nginx keeps these fields in every response, even in a problem when the file is no picture. So this
# module gives them other names, and nginx sends them only with pictures.
_OF_PICTURES = {
    "Cache-Control": "X-Shared-Cache-Control",
    "Content-Disposition": "X-Shared-Disposition",
}
_CONTENT_FIELDS = frozenset(("Content-Type", "Content-Disposition", "Repr-Digest"))


def send(request: Request, file: File, place: GatewayPlace, headers: Headers) -> Response:
    """Return the response with a file that exists and that the caller may read.

    Evaluates the conditions of RFC 9110 section 13. Raises the problem `precondition-failed` and,
    for a file on an object store, `range-not-satisfiable`.
    """
    status = _conditional_status(request, file, file.etag)
    if status != 200:
        return _without_content(request, status, file.etag, headers)
    request.outcome = "served"
    if place.signed:
        return send_signed(request, file, place, kind(file.media_type, utf8=file.utf8), headers)
    # nginx would evaluate these conditions again, even an empty one, with its own tag and
    # date. So this request uses a separate location of nginx, which does not evaluate them.
    if request.condition("IF_MATCH") is None and request.condition("IF_UNMODIFIED_SINCE") is None:
        headers.append(("X-Accel-Redirect", INTERNAL + place.location))
    else:
        path = f"{INTERNAL_MATCHED}{place.location}.{kind(file.media_type, utf8=file.utf8)}"
        # The location sets the type, because the response with several ranges has another type.
        headers = [field for field in headers if field[0] != "Content-Type"]
        headers.append(("X-Accel-Redirect", path))
    return Response(200, headers)


def send_picture(
    request: Request, file: File, width: int, place: GatewayPlace, headers: Headers
) -> Response:
    """Return the response with a small picture of a file that the caller may read.

    The function evaluates the conditions of RFC 9110 section 13 with the picture's own entity tag.
    Raises the problem `precondition-failed`.
    """
    etag = pictures.etag(file, width)
    status = _conditional_status(request, file, etag)
    if status != 200:
        return _without_content(request, status, etag, headers)
    request.outcome = "served"
    fields = [(_OF_PICTURES.get(name, name), value) for name, value in headers]
    fields.append(("X-Accel-Redirect", f"{INTERNAL_PICTURE}{width}/{place.location}"))
    if place.signed:
        fields.append(("X-Wharf-Blob", place.signed))
    return Response(200, fields)


def kind(media_type: str, *, utf8: bool = True) -> str:
    """Return the type in the form of an extension, from which nginx restores the type.

    `deploy/nginx/snippets/shared_types.conf` lists the types that the service detects. A more
    specific type that a client declared is sent as the detected type.
    """
    if media_type not in FILE_TYPES:
        media_type = found_type(media_type)
    extension = _NOT_IN_EXTENSION.sub("_", media_type.lower().replace("/", "-"))
    return extension if utf8 else f"{extension}{_NOT_UTF8}"


def download_name(query: str | None, file: File) -> str | None:
    """Return the name in `?download=`; `None` without this parameter.

    If the parameter is empty, return the file's own name. Raises `InvalidFileName`.
    """
    if not query:
        return None
    try:
        fields = parse_qs(query, keep_blank_values=True, max_num_fields=_QUERY_FIELDS)
    except ValueError:
        return None
    names = fields.get("download")
    if not names:
        return None
    return file_name(names[0]) if names[0] else file.filename


def _without_content(request: Request, status: int, etag: str, headers: Headers) -> Response:
    """Return the response with status 304; for 412, raise the problem `precondition-failed`."""
    if status == 412:
        raise PRECONDITION("The file has changed.", headers=(("ETag", etag),))
    request.outcome = "not-modified"
    # RFC 9110 section 15.4.5: a 304 has no fields that describe the content.
    return Response(304, [field for field in headers if field[0] not in _CONTENT_FIELDS])


def _conditional_status(request: Request, file: File, etag: str) -> int:
    header = request.header
    return conditions.for_read(
        etag,
        file.created_at // 1000,
        if_match=request.condition("IF_MATCH"),
        if_none_match=request.condition("IF_NONE_MATCH"),
        if_modified_since=header("IF_MODIFIED_SINCE"),
        if_unmodified_since=header("IF_UNMODIFIED_SINCE"),
    )
