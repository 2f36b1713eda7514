"""The operations of resumable uploads, for the OpenAPI document."""

from __future__ import annotations

from dataclasses import replace

from servicekit import problems
from servicekit.openapi import Route
from servicekit.operations import Answer, Content, Operation, Parameter, head_of
from servicekit.problems import TENANT_LIMIT, Problem
from servicekit.protection import Protection, scope
from wharf_upload import problems as own
from wharf_upload.http import schemas
from wharf_upload.http.request import PARTIAL_UPLOAD_TYPE, TUS_TYPE

COLLECTION, UPLOAD = "/v1/uploads", "/v1/uploads/{upload}"
BY_TICKET = "/u/{ticket}/uploads/{upload}"
_TUS = Parameter("Tus-Resumable", "header", "`1.0.0`: the client speaks tus.")
_OFFSET = Parameter("Upload-Offset", "header", "Where in the file these bytes begin.")
_LENGTH = Parameter("Upload-Length", "header", "Bytes of the whole file.")
_CHECKSUM = Parameter("Upload-Checksum", "header", "`sha1` or `sha256`, and base64; tus.")
_OVERRIDE = Parameter(
    "X-HTTP-Method-Override",
    "header",
    "What the request means.",
    {"type": "string", "enum": ["PATCH"]},
    required=True,
)
_REPR_DIGEST = Parameter("Repr-Digest", "header", "Of the whole file: verified at its end.")
_PREFER = Parameter("Prefer", "header", "`return=representation`: the file's JSON with its end.")
_FIELDS = {
    "Content-Location": "The file that the upload has become.",
    "Upload-Offset": "Bytes that are there.",
    "Upload-Expires": "tus: when it is forgotten.",
    "Upload-Limit": "IETF: what may come.",
}
_PROBLEMS = (
    own.TUS_VERSION,
    own.UPLOAD_BUSY,
    own.UPLOAD_APART,
    own.INVALID_KEY,
    own.STORAGE_FULL,
    own.STORAGE_FAILED,
    own.TENANT_QUOTA,
    problems.LENGTH_REQUIRED,
    problems.UNSUPPORTED_MEDIA,
    problems.UNPROCESSABLE,
)
_COMPLETING = (
    own.TOO_MANY_KEYS,
    own.CHECKSUM_MISMATCH,
    own.OFFSET_MISMATCH,
    own.UPLOAD_LENGTH,
    own.FINAL_UPLOAD,
    own.TYPE_NOT_ALLOWED,
    own.EXTENSION_NOT_ALLOWED,
    own.DIGEST_MISMATCH,
    own.OUTSIDE_GRANTS,
    own.KEY_TAKEN,
    own.PRECONDITION,
)
CREATE = Operation(
    id="createUpload",
    tag="uploads",
    summary="Create a resumable upload",
    description="tus 1.0.0 with creation, creation-defer-length, creation-with-upload, expiration, "
    "checksum, termination, concatenation and concatenation-unfinished. Names in "
    "`Upload-Metadata`: `bucket`, `key` or `filename`, `filetype`, `on_conflict`; all others "
    "become the file's metadata. Grants have to allow `write` at the key; an upload that they do "
    "not reach any more is answered as one that is not there. The IETF protocol begins with `PUT` "
    "of the file and `Upload-Complete: ?0`. With `Prefer: return=representation` the 201 of a "
    "whole file has its JSON.",
    body=Content(TUS_TYPE),
    body_required=False,
    answers={201: Answer("The upload.", None, {"Location": "The upload.", **_FIELDS})},
    parameters=(
        _TUS,
        _LENGTH,
        Parameter("Upload-Defer-Length", "header", "`1`: the length comes later."),
        Parameter("Upload-Metadata", "header", "Names and base64 values."),
        Parameter("Upload-Concat", "header", "`partial`, or `final;` and the parts' addresses."),
        _CHECKSUM,
        _REPR_DIGEST,
        Parameter(
            "Idempotency-Key", "header", "Of the file: two uploads with one key make one file."
        ),
        Parameter(
            "If-Match", "header", "Replace only the file with this entity tag; never rename."
        ),
        Parameter("If-None-Match", "header", "`*`: create, never replace."),
        _PREFER,
    ),
    problems=(*_PROBLEMS, *_COMPLETING, own.PARTS_APART, TENANT_LIMIT),
)
LOOK = Operation(
    id="getUpload",
    tag="uploads",
    summary="Read how far an upload is",
    description="Names the file that the upload has become. With `Prefer: return=representation` "
    "the answer to `GET` is a 200 with its JSON.",
    answers={
        200: Answer("tus.", None, _FIELDS),
        204: Answer("IETF.", None, _FIELDS),
    },
    parameters=(_TUS, _PREFER),
    problems=(*_PROBLEMS, *_COMPLETING),
)
APPEND = Operation(
    id="appendToUpload",
    tag="uploads",
    summary="Append bytes to an upload",
    description=f"tus sends `{TUS_TYPE}`, the IETF protocol `{PARTIAL_UPLOAD_TYPE}`.",
    body=Content(TUS_TYPE),
    answers={
        200: Answer(
            "tus with `Prefer: return=representation`: the file is stored, durably.",
            schemas.FileDocument,
            _FIELDS,
        ),
        204: Answer("The bytes are kept.", None, _FIELDS),
        201: Answer("IETF: the file is stored, durably.", schemas.FileDocument, _FIELDS),
    },
    parameters=(
        _TUS,
        _OFFSET,
        _LENGTH,
        _CHECKSUM,
        _REPR_DIGEST,
        _PREFER,
        Parameter("Upload-Complete", "header", "IETF: `?1` when these are the last bytes."),
    ),
    problems=(*_PROBLEMS, *_COMPLETING),
)
END = Operation(
    id="deleteUpload",
    tag="uploads",
    summary="Give up an upload",
    description="One's own, where grants allow `write` at its key; with `buckets:admin` that of "
    "the `subject`, too, where they allow `read`.",
    answers={204: Answer("It is gone; a file that it has become stays.")},
    parameters=(
        _TUS,
        Parameter("subject", "query", "Whose upload it is, where it is somebody else's."),
    ),
    problems=_PROBLEMS,
)
HEAD = head_of(LOOK, "headUpload", "Read how far an upload is, from header fields")
APPEND_BY_POST = replace(
    APPEND,
    id="appendToUploadByPost",
    summary="Append bytes where PATCH cannot be sent",
    parameters=(*APPEND.parameters, _OVERRIDE),
)
WRITE = scope("files:write")
ROUTES = (
    Route("POST", COLLECTION, CREATE, WRITE),
    Route("HEAD", UPLOAD, HEAD, WRITE),
    Route("GET", UPLOAD, LOOK, WRITE),
    Route("PATCH", UPLOAD, APPEND, WRITE),
    Route("POST", UPLOAD, APPEND_BY_POST, WRITE),
    Route("DELETE", UPLOAD, END, WRITE),
)


def by_ticket(protection: Protection, always: tuple[Problem, ...]) -> tuple[Route, ...]:
    """Return the routes of uploads that began with a ticket in the address.

    `always` are the problems that any operation may meet.
    """
    return tuple(
        Route(
            one.method,
            BY_TICKET,
            replace(
                one.operation,
                id=f"{one.operation.id}ByTicket",
                tag="tickets",
                summary=f"{one.operation.summary}, by ticket",
                problems=(*always, *one.operation.problems),
            ),
            protection,
        )
        for one in ROUTES
        if one.path == UPLOAD
    )
