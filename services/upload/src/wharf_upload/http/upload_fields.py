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
_PART_OF_A_FILE = "Upload-Complete cannot be read here. Send it once, as ?0 or ?1 and nothing else."
_PART_OF_A_FORM = (
    "A form brings whole files. Send a file in parts with PUT and Upload-Complete: ?0, or with tus "
    "1.0.0 at /v1/uploads."
)


def file_upload(request: Request) -> UploadRequest:
    """Return what a `PUT` of a whole file asks for.

    Raises the problems `not-found`, `invalid-key`, `malformed-request`, `unsupported-media-type`,
    `content-encoding-not-supported`, `slices-not-joined` and `inconsistent-slice`, and
    `TicketRefused`, `MalformedDigest`, `MalformedCondition`.
    """
    completeness.require_whole(request, _PART_OF_A_FILE)
    header = request.header
    return _file_upload(request, _announced(header("CONTENT_DIGEST"), header("REPR_DIGEST")))


def part_upload(request: Request) -> UploadRequest:
    """Return what a `PUT` asks for that begins a file in parts; raises as `file_upload`."""
    completeness.require_part(request)
    require_file(request)
    # Content-Digest is of what this request brings, which is not the file.
    return _file_upload(request, _announced(request.header("REPR_DIGEST")))


def _file_upload(request: Request, announced: Mapping[str, bytes]) -> UploadRequest:
    bucket, key = file_address(request)
    refuse_encodings(request)
    if not request.environ.get("SPOOL_FILE"):  # else these were judged before its body came
        _refuse_form(request)
        query: str | None = request.environ.get("QUERY_STRING")
        if query:
            slices.refuse_bare(query, request.content_length() or 0)
    header = request.header
    return UploadRequest(
        caller=request.caller,
        bucket=bucket,
        key=key,
        length_bytes=request.content_length(),
        declared_type=declared_type(request.environ.get("CONTENT_TYPE")),
        digests=announced,
        condition=conditions.for_write(header("IF_MATCH"), header("IF_NONE_MATCH")),
        idempotency=idempotency(request, f"PUT {bucket}/{key}"),
        room=request.room,
    )


def form_upload(request: Request) -> UploadRequest:
    """Return what a multipart `POST` asks for; its files are in the body.

    Raises the problems `not-found`, `method-not-allowed`, `malformed-request`,
    `slices-not-joined`, `unsupported-media-type` and `content-encoding-not-supported`, and
    `TicketRefused`, `MalformedDigest` and `MalformedCondition`.
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
        # Of the whole message, boundaries included (RFC 9530 sections 2 and 3).
        digests=_announced(header("CONTENT_DIGEST"), header("REPR_DIGEST")),
        # Of each file of the form.
        condition=conditions.for_write(header("IF_MATCH"), header("IF_NONE_MATCH")),
        idempotency=idempotency(request, f"POST {bucket}"),
        room=request.room,
    )


def _refuse_slices(request: Request) -> None:
    """Raise the problem `slices-not-joined` where header fields say that a form holds a slice."""
    if request.header("CONTENT_RANGE") is not None:
        # RFC 9110 section 14.4 gives it no meaning in a request but that of a partial PUT.
        raise not_joined("jQuery File Upload")
    if request.header("UPLOAD_LENGTH") is not None and request.header("UPLOAD_COMPLETE") is None:
        # It would go on with PATCH, as tus does, and is not tus.
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
    """Raise the problem `unsupported-media-type` for a form: its envelope would become the file."""
    if _is_form(request):
        raise UNSUPPORTED_MEDIA(
            "A form is sent with POST, to the bucket or to the ticket, and each of its files is "
            "stored. PUT stores its body as it is: send the file alone, with the file's own type.",
            expected="the file's own type",
        )


def refuse_encodings(request: Request) -> None:
    """Raise problems for bytes that are not those of a file as they are."""
    encoding = request.header("CONTENT_ENCODING")
    if encoding is not None and {part.strip().lower() for part in encoding.split(",")} != {
        "identity"
    }:
        raise CONTENT_ENCODING(
            "Content-Encoding is not taken: the file is stored as it is sent. Leave the field out.",
            # RFC 9110 section 12.5.3: what would have been acceptable.
            headers=(("Accept-Encoding", "identity"),),
        )
    if request.header("CONTENT_RANGE") is not None:
        # RFC 9110 section 14.5: a server that does not know partial PUT must not store it.
        raise MALFORMED("A partial PUT (Content-Range) is not supported.")


def refuse_method(allowed: str) -> ProblemError:
    """Return the problem `method-not-allowed`; `allowed` is its Allow field."""
    return METHOD(METHOD.description, headers=(("Allow", allowed),))


def require_file(request: Request) -> None:
    """Raise the problem `method-not-allowed` for a `PUT` to a bucket."""
    path = raw_path(request.environ)
    if path.startswith(FILES) and not names_file(path):
        raise refuse_method("GET, HEAD, POST, OPTIONS")


def file_address(request: Request) -> tuple[str, str]:
    """Return bucket and key of a `PUT`, inside the caller's ticket where there is one.

    Raises `TicketRefused`, and the problems `not-found` and `invalid-key`.
    """
    ticket = request.caller.ticket
    if ticket is None:
        return request.address()
    if request.by_ticket:
        name = raw_path(request.environ)[len(TICKETS) :].partition("/")[2]
        if not name and ticket.key is None:
            raise TicketRefused(
                "prefix", "The ticket is for a prefix: put a name behind it, /u/…/name."
            )
        bucket, key = ticket.bucket, tickets.key_of(ticket, path_bytes(name))
    else:
        bucket, key = request.address()
    tickets.require(ticket, request.method, bucket, key)
    return bucket, key


def _form_bucket(request: Request) -> str:
    """The bucket of a form, inside the caller's ticket."""
    path = raw_path(request.environ)
    ticket = request.caller.ticket
    bucket = _named_bucket(path) if ticket is None or not request.by_ticket else ticket.bucket
    if request.by_ticket and path[len(TICKETS) :].partition("/")[2]:
        raise refuse_method("PUT")
    if ticket is not None:
        tickets.require(ticket, "POST", bucket)
    return bucket


def _named_bucket(path: str) -> str:
    """The bucket of `/v1/files/{bucket}`."""
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
    """Return the `Idempotency-Key`, with a fingerprint of what can be told before the body.

    The commit adds the digest of the body. Raises `malformed-request`.
    """
    key = request.header("IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not _IDEMPOTENCY_KEY.match(key):
        raise MALFORMED("Idempotency-Key is 1 to 255 visible ASCII characters.")
    caller = request.caller
    return Idempotency(
        # A ticket has keys of its own: its holder must not meet the requests of its maker.
        subject=caller.subject if caller.ticket is None else f"{caller.subject} {caller.token_id}",
        key=key,
        fingerprint=hashlib.sha256(what.encode()).hexdigest(),
    )


def _announced(*fields: str | None) -> Mapping[str, bytes]:
    """Announced digests; the content of a PUT without encoding is the representation itself."""
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
