"""Parses the address and the header fields of an upload into an `UploadRequest`, once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from servicekit.problems import MALFORMED, METHOD, NOT_FOUND, UNSUPPORTED_MEDIA, ProblemError
from wharf_upload.access import tickets
from wharf_upload.access.tickets import TicketRefused
from wharf_upload.domain import conditions, digests, keys
from wharf_upload.domain.file_writes import Idempotency
from wharf_upload.domain.keys import path_bytes
from wharf_upload.domain.upload_intent import declared_type
from wharf_upload.domain.upload_request import UploadRequest
from wharf_upload.http import completeness
from wharf_upload.http.request import FILES, TICKETS, Request, names_file, raw_path
from wharf_upload.problems import CONTENT_ENCODING
from wharf_upload.uploads.multipart import parser
from wharf_upload.uploads.slices import fields as slices
from wharf_upload.uploads.slices.other_uploaders import not_joined

_FORM_TYPE = "multipart/form-data"
_IS_FORM = re.compile(rf"\s*{_FORM_TYPE}\s*(?:;|\Z)", re.IGNORECASE)
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}\Z")
_PART_OF_A_FILE = "Upload-Complete is unreadable. Send the field once, with the value ?0 or ?1."
_PART_OF_A_FORM = (
    "A form contains whole files. Send a file in parts with PUT and Upload-Complete: ?0, or by tus "
    "1.0.0 at /v1/uploads."
)


def file_upload(request: Request) -> UploadRequest:
    """Return the upload that a `PUT` of a whole file requests.

    Raises the problems `not-found`, `invalid-key`, `malformed-request`, `unsupported-media-type`,
    `content-encoding`, `slices-not-joined` and `inconsistent-slice`, and `TicketRefused`,
    `MalformedDigest`, `MalformedCondition`.
    """
    completeness.require_whole(request, _PART_OF_A_FILE)
    header = request.header
    return _file_upload(request, _announced(header("CONTENT_DIGEST"), header("REPR_DIGEST")))


def part_upload(request: Request) -> UploadRequest:
    """Return the upload of a `PUT` that begins a file in parts.

    Raises the errors of `file_upload`, and the problem `method-not-allowed`.
    """
    completeness.require_part(request)
    require_file(request)
    # Content-Digest covers only the content of this request, which is not the whole file.
    return _file_upload(request, _announced(request.header("REPR_DIGEST")))


def _file_upload(request: Request, announced: Mapping[str, bytes]) -> UploadRequest:
    bucket, key = file_address(request)
    refuse_encodings(request)
    if not request.environ.get("SPOOL_FILE"):  # The admission checked these before a spooled body.
        _refuse_form(request)
        query: str | None = request.environ.get("QUERY_STRING")
        if query:
            slices.refuse_bare(query, request.content_length() or 0)
    return UploadRequest(
        caller=request.caller,
        bucket=bucket,
        key=key,
        length_bytes=request.content_length(),
        declared_type=declared_type(request.environ.get("CONTENT_TYPE")),
        digests=announced,
        condition=write_condition(request),
        idempotency=idempotency(request, f"PUT {bucket}/{key}"),
        room=request.room,
    )


def form_upload(request: Request) -> UploadRequest:
    """Return the upload that a multipart `POST` requests; its files are in the body.

    Raises the problems `not-found`, `method-not-allowed`, `malformed-request`, `slices-not-joined`
    and `content-encoding`, and `TicketRefused`, `MalformedDigest` and `MalformedCondition`.
    """
    bucket = _form_bucket(request)
    completeness.require_whole(request, _PART_OF_A_FORM)
    _refuse_slices(request)
    refuse_encodings(request)
    header = request.header
    return UploadRequest(
        caller=request.caller,
        bucket=bucket,
        length_bytes=request.content_length(),
        # The digest covers the whole message, including boundaries (RFC 9530 sections 2 and 3).
        digests=_announced(header("CONTENT_DIGEST"), header("REPR_DIGEST")),
        # The condition applies to each file of the form.
        condition=write_condition(request),
        idempotency=idempotency(request, f"POST {bucket}"),
        room=request.room,
    )


def write_condition(request: Request) -> conditions.WriteCondition | None:
    """Return the condition of an upload, or `None`; raises `MalformedCondition`."""
    return conditions.for_write(request.condition("IF_MATCH"), request.condition("IF_NONE_MATCH"))


def _refuse_slices(request: Request) -> None:
    """Raise the problem `slices-not-joined` if header fields say that a form contains a slice."""
    if request.header("CONTENT_RANGE") is not None:
        # In requests, RFC 9110 section 14.4 defines Content-Range only for a partial PUT.
        raise not_joined("jQuery File Upload")
    if request.header("UPLOAD_LENGTH") is not None and request.header("UPLOAD_COMPLETE") is None:
        # A client that sends this field would continue with PATCH, like tus, but its protocol is
        # not tus.
        raise not_joined("FilePond")


def form_boundary(request: Request) -> bytes:
    """Return the boundary of a multipart request (RFC 7578).

    Raises the problem `unsupported-media-type`, and `MalformedMultipart`.
    """
    if not _is_form(request):
        raise UNSUPPORTED_MEDIA(
            "Send a form with multipart/form-data, or one file with PUT and its key in the path.",
            expected=_FORM_TYPE,
        )
    return parser.boundary_of(request.environ.get("CONTENT_TYPE") or "")


def _is_form(request: Request) -> bool:
    return _IS_FORM.match(request.environ.get("CONTENT_TYPE") or "") is not None


def _refuse_form(request: Request) -> None:
    """Raise the problem `unsupported-media-type` for a form, so that it is not stored as a file."""
    if _is_form(request):
        raise UNSUPPORTED_MEDIA(
            "Send a form with POST to the bucket or to the ticket; the service stores each of its "
            "files. PUT stores its body unchanged: send the file alone, with the file's own type.",
            expected="the file's own type",
        )


def refuse_encodings(request: Request) -> None:
    """Raise `content-encoding` for an encoded body, `malformed-request` for a range of a file."""
    encoding = request.header("CONTENT_ENCODING")
    if encoding is not None and {part.strip().lower() for part in encoding.split(",")} != {
        "identity"
    }:
        raise CONTENT_ENCODING(
            "Content-Encoding is not supported: the file is stored as it is sent. Omit the field.",
            # RFC 9110 section 12.5.3: the encodings that the service would accept.
            headers=(("Accept-Encoding", "identity"),),
        )
    if request.header("CONTENT_RANGE") is not None:
        # RFC 9110 section 14.5: a server without support for partial PUT must not store the
        # content.
        raise MALFORMED("A partial PUT (Content-Range) is not supported.")


def refuse_method(allowed: str) -> ProblemError:
    """Return the problem `method-not-allowed`; `allowed` is the value of its Allow field."""
    return METHOD(METHOD.description, headers=(("Allow", allowed),))


def require_file(request: Request) -> None:
    """Raise the problem `method-not-allowed` for a `PUT` to a bucket."""
    path = raw_path(request.environ)
    if path.startswith(FILES) and not names_file(path):
        raise refuse_method("GET, HEAD, POST, OPTIONS")


def file_address(request: Request) -> tuple[str, str]:
    """Return bucket and key of a `PUT`; a ticket must permit both.

    Raises `TicketRefused`, and the problems `not-found` and `invalid-key`.
    """
    ticket = request.caller.ticket
    if ticket is None:
        return request.address()
    if request.by_ticket:
        name = raw_path(request.environ)[len(TICKETS) :].partition("/")[2]
        if not name and ticket.key is None:
            raise TicketRefused(
                "prefix", "The ticket is for a prefix: append a name to it, /u/…/name."
            )
        bucket, key = ticket.bucket, tickets.key_of(ticket, path_bytes(name))
    else:
        bucket, key = request.address()
    tickets.require(ticket, request.method, bucket, key)
    return bucket, key


def _form_bucket(request: Request) -> str:
    """Return the bucket of a form, which must be the ticket's bucket if there is a ticket."""
    path = raw_path(request.environ)
    ticket = request.caller.ticket
    bucket = _named_bucket(path) if ticket is None or not request.by_ticket else ticket.bucket
    if request.by_ticket and path[len(TICKETS) :].partition("/")[2]:
        raise refuse_method("PUT")
    if ticket is not None:
        tickets.require(ticket, "POST", bucket)
    return bucket


def _named_bucket(path: str) -> str:
    """Return the bucket of `/v1/files/{bucket}`."""
    if not path.startswith(FILES):
        raise NOT_FOUND("Nothing is here.")
    bucket, _, rest = path[len(FILES) :].partition("/")
    if rest:
        raise refuse_method("GET, HEAD, PUT, DELETE")
    try:
        return keys.bucket_name(bucket)
    except ValueError:
        raise NOT_FOUND("There is no such bucket.") from None


def idempotency(request: Request, what: str) -> Idempotency | None:
    """Return the `Idempotency-Key` with a fingerprint of method and address, or `None`.

    The commit adds the keys and digests of the files, and `on_conflict`, to the fingerprint. Raises
    `malformed-request`.
    """
    key = request.header("IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not _IDEMPOTENCY_KEY.match(key):
        raise MALFORMED("Idempotency-Key must be 1 to 255 visible ASCII characters.")
    caller = request.caller
    return Idempotency(
        # Each ticket has a separate set of keys, so that the holder of a ticket cannot reuse
        # requests of the ticket's maker.
        subject=caller.subject if caller.ticket is None else f"{caller.subject} {caller.token_id}",
        key=key,
        fingerprint=hashlib.sha256(what.encode()).hexdigest(),
    )


def _announced(*fields: str | None) -> Mapping[str, bytes]:
    """Return the digests that the fields announce; raises `MalformedDigest`.

    All fields describe the same bytes, because the service refuses encoded bodies.
    """
    found: dict[str, bytes] = {}
    for field in fields:
        if field is None:
            continue
        for algorithm, digest in digests.expected(field).items():
            if found.setdefault(algorithm, digest) != digest:
                raise digests.MalformedDigest(
                    f"Content-Digest and Repr-Digest announce different {algorithm} digests."
                )
    return found
