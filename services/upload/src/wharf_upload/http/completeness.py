"""Decides whether a request has a whole file or a part (draft-ietf-httpbis-resumable-upload).

On a request with a whole file, `Upload-Complete` is a hint. On a request with a part, the service
must obey the field, because a part must never be stored as if it were the file. So the service
refuses a request in which this field is unreadable, while it ignores other unreadable hints (ADR
43).
"""

from __future__ import annotations

import re

from servicekit.problems import MALFORMED
from wharf_upload.domain import structured_fields
from wharf_upload.http.request import Request
from wharf_upload.problems import UPLOAD_LENGTH

INTEROP_VERSIONS = ("8", "9")
_NUMBER = re.compile(r"[0-9]{1,15}\Z")
_FIELDS = frozenset(("HTTP_UPLOAD_COMPLETE", "HTTP_UPLOAD_INCOMPLETE", "HTTP_UPLOAD_OFFSET"))
_VERSIONS_TEXT = " and ".join(INTEROP_VERSIONS)


def is_part(request: Request) -> bool:
    """Tell whether other requests will send more of the file.

    Drafts up to interop version 3 use `Upload-Incomplete: ?1` for this. Raises `malformed-request`
    for a value that is no boolean, and for fields that contradict each other.
    """
    if _says_nothing(request):
        return False
    header, gateways_word = request.header, request.environ.get("WHARF_PART")
    complete, incomplete = header("UPLOAD_COMPLETE"), header("UPLOAD_INCOMPLETE")
    if complete is None and incomplete is None and not gateways_word:
        return False
    # If a field is sent twice, the gateway may read the first one, and uWSGI the last one.
    said = {True} if gateways_word else set()
    if complete is not None:
        said.add(not _boolean("Upload-Complete", complete))
    if incomplete is not None:
        said.add(_boolean("Upload-Incomplete", incomplete))
    if len(said) > 1:
        raise MALFORMED(
            "Upload-Complete and Upload-Incomplete contradict each other, or one was sent twice."
        )
    return said.pop()


def require_part(request: Request) -> None:
    """Raise `malformed-request` unless the request begins a file in parts in a supported way."""
    if not is_part(request):
        raise MALFORMED("A file in parts begins with Upload-Complete: ?0.")
    require_version(request)
    _require_beginning(request)


def require_version(request: Request) -> None:
    """Raise `malformed-request` for a part in a draft that the service does not support.

    Without a readable version, the newest version applies.
    """
    header = request.header
    old = header("UPLOAD_INCOMPLETE") is not None and header("UPLOAD_COMPLETE") is None
    if old or not _is_spoken(header("UPLOAD_DRAFT_INTEROP_VERSION")):
        raise MALFORMED(
            f"Send a file in parts by one of the interop versions {_VERSIONS_TEXT} of "
            "draft-ietf-httpbis-resumable-upload (Upload-Complete: ?0), or by tus 1.0.0 at "
            "/v1/uploads. Otherwise, send the whole file in one request.",
            interop_versions=list(INTEROP_VERSIONS),
        )


def speaks(request: Request) -> bool:
    """Tell whether the response to a whole file may have the fields of the protocol."""
    header = request.header
    return header("UPLOAD_COMPLETE") is not None and _is_spoken(
        header("UPLOAD_DRAFT_INTEROP_VERSION")
    )


def require_whole(request: Request, what: str) -> None:
    """Raise `malformed-request` for a part of a file where only whole files are stored.

    Also raise for an `Upload-Offset` above 0. `what` is the detail of the problem for a part.
    """
    if _says_nothing(request):
        return
    if is_part(request):
        require_version(request)
        raise MALFORMED(what)
    _require_beginning(request)


def require_length(request: Request, length: int | None) -> None:
    """Raise `inconsistent-upload-length` if Upload-Length differs from `length` (bytes).

    A `length` of `None` is not known yet.
    """
    if not is_length_said(request):
        return
    announced = number(request, "UPLOAD_LENGTH", "Upload-Length")
    if announced is not None and length is not None and announced != length:
        raise UPLOAD_LENGTH(
            f"Upload-Length says {announced} bytes and the content has {length}. Send the whole "
            "file, or begin with Upload-Complete: ?0.",
            length=announced,
        )


def is_length_said(request: Request) -> bool:
    """Tell whether the request has an Upload-Length, which is rare."""
    return "HTTP_UPLOAD_LENGTH" in request.environ


def number(request: Request, field: str, name: str) -> int | None:
    """Return a field that is a number of bytes, or `None`; raises `malformed-request`."""
    text = request.header(field)
    if text is None:
        return None
    if not _NUMBER.match(text):
        raise MALFORMED(f"{name} is not a number of bytes.")
    return int(text)


def _says_nothing(request: Request) -> bool:
    """Tell whether a request has none of this module's fields, which is the most common case."""
    environ = request.environ
    return environ.keys().isdisjoint(_FIELDS) and not environ.get("WHARF_PART")


def _require_beginning(request: Request) -> None:
    if number(request, "UPLOAD_OFFSET", "Upload-Offset"):
        raise MALFORMED(
            "Upload-Offset says that another request began this file. Continue with PATCH at "
            "the Location in the response to that request."
        )


def _is_spoken(field: str | None) -> bool:
    version = None if field is None else structured_fields.integer(field)
    return version is None or str(version) in INTEROP_VERSIONS


def _boolean(name: str, text: str) -> bool:
    value = structured_fields.boolean(text)
    if value is None:
        raise MALFORMED(f"{name} must be ?0 or ?1.")
    return value
