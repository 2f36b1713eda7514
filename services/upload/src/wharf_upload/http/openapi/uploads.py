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
_TUS = Parameter("Tus-Resumable", "header", "`1.0.0`: the client uses tus.")
_OFFSET = Parameter("Upload-Offset", "header", "The position in the file where these bytes begin.")
_LENGTH = Parameter("Upload-Length", "header", "The size of the whole file in bytes.")
_CHECKSUM = Parameter(
    "Upload-Checksum", "header", "tus: `sha1` or `sha256`, a space, and the digest in base64."
)
_OVERRIDE = Parameter(
    "X-HTTP-Method-Override",
    "header",
    "The method that the request means.",
    {"type": "string", "enum": ["PATCH"]},
    required=True,
)
_REPR_DIGEST = Parameter(
    "Repr-Digest", "header", "The digest of the whole file; the service verifies it at the end."
)
_PREFER = Parameter(
    "Prefer", "header", "`return=representation`: the last response has the file's JSON."
)
_FIELDS = {
    "Content-Location": "The file that the upload has become.",
    "Upload-Offset": "The number of received bytes.",
    "Upload-Expires": "tus: when the upload expires.",
    "Upload-Limit": "IETF: the limits of the upload.",
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
    "`Upload-Metadata`: `bucket`, `key` or `filename`, `filetype`, `on_conflict`; all other names "
    "become the file's metadata. Grants must permit `write` at the key; the response for an upload "
    "that the caller's grants no longer reach is a 404. The IETF protocol begins with `PUT` of the "
    "file and `Upload-Complete: ?0`. With `Prefer: return=representation`, the 201 for a whole "
    "file has its JSON.",
    body=Content(TUS_TYPE),
    body_required=False,
    answers={201: Answer("The upload.", None, {"Location": "The upload.", **_FIELDS})},
    parameters=(
        _TUS,
        _LENGTH,
        Parameter("Upload-Defer-Length", "header", "`1`: the client sends the length later."),
        Parameter("Upload-Metadata", "header", "Names, each with a value in base64."),
        Parameter(
            "Upload-Concat", "header", "`partial`, or `final;` with the addresses of the parts."
        ),
        _CHECKSUM,
        _REPR_DIGEST,
        Parameter(
            "Idempotency-Key", "header", "Two uploads with the same key create only one file."
        ),
        Parameter(
            "If-Match", "header", "Replace the file only if it has this entity tag; never rename."
        ),
        Parameter("If-None-Match", "header", "`*`: create the file, never replace one."),
        _PREFER,
    ),
    problems=(*_PROBLEMS, *_COMPLETING, own.PARTS_APART, TENANT_LIMIT),
)
LOOK = Operation(
    id="getUpload",
    tag="uploads",
    summary="Read the progress of an upload",
    description="Names the file that the upload has become. With `Prefer: return=representation`, "
    "the response to `GET` is a 200 with the file's JSON.",
    answers={
        200: Answer("The progress, by tus.", None, _FIELDS),
        204: Answer("The progress, by the IETF protocol.", None, _FIELDS),
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
            "tus with `Prefer: return=representation`: the file is stored durably.",
            schemas.FileDocument,
            _FIELDS,
        ),
        204: Answer("The bytes are stored.", None, _FIELDS),
        201: Answer("IETF: the file is stored durably.", schemas.FileDocument, _FIELDS),
    },
    parameters=(
        _TUS,
        _OFFSET,
        _LENGTH,
        _CHECKSUM,
        _REPR_DIGEST,
        _PREFER,
        Parameter("Upload-Complete", "header", "IETF: `?1` if these are the last bytes."),
    ),
    problems=(*_PROBLEMS, *_COMPLETING),
)
END = Operation(
    id="deleteUpload",
    tag="uploads",
    summary="Delete an upload",
    description="A caller can delete its own upload if its grants permit `write` at the key. With "
    "the scope `buckets:admin`, it can also delete an upload of `subject` if its grants permit "
    "`read` and `delete` at the key.",
    answers={204: Answer("The upload was deleted; a file that it has become stays.")},
    parameters=(
        _TUS,
        Parameter(
            "subject", "query", "The user or client that sends the upload, if it is not the caller."
        ),
    ),
    problems=_PROBLEMS,
)
HEAD = head_of(LOOK, "headUpload", "Read the progress of an upload from header fields")
APPEND_BY_POST = replace(
    APPEND,
    id="appendToUploadByPost",
    summary="Append bytes to an upload without PATCH",
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

    `always` are the problems that any operation may return.
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
