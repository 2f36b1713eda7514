"""The operations of the fast path and the gateway, declared for the OpenAPI document."""

from __future__ import annotations

from dataclasses import replace

from servicekit import problems
from servicekit.openapi import Route
from servicekit.operations import Answer, Content, Operation, Parameter, head_of
from servicekit.protection import public, scope
from wharf_upload import problems as own
from wharf_upload.domain.pictures import WIDTHS
from wharf_upload.http import schemas
from wharf_upload.http.openapi import uploads

FILE, FORM = "/v1/files/{bucket}/{key}", "/v1/files/{bucket}"
TICKET, TICKET_NAME = "/u/{ticket}", "/u/{ticket}/{key}"
_IDEMPOTENCY = Parameter(
    "Idempotency-Key",
    "header",
    "A key that the client chooses; a repeated request gets the result of the first one.",
)
_IF_NONE_MATCH = Parameter("If-None-Match", "header", "`*`: create the file, never replace one.")
_IF_CHANGED = Parameter(
    "If-None-Match", "header", "Return the content only if the file has another entity tag."
)
_WIDTH = Parameter(
    "w",
    "query",
    "Return a small WebP picture of the file with at most this many pixels on its longer side. "
    "`download` has no effect on pictures.",
    {"type": "integer", "enum": list(WIDTHS)},
)
_PREFER = Parameter("Prefer", "header", "`return=minimal`: a response without JSON.")
_IF_MATCH = Parameter(
    "If-Match", "header", "Execute the request only if the file has this entity tag."
)
# Any operation may return these problems: invalid credentials, limits, faults.
ALWAYS = (
    problems.MALFORMED,
    problems.TOKEN_MISSING,
    problems.TOKEN_EXPIRED,
    problems.TOKEN_MALFORMED,
    problems.TOKEN_SIGNATURE,
    problems.TOKEN_REVOKED,
    problems.TENANT_SUSPENDED,
    problems.CREDENTIALS_AMBIGUOUS,
    problems.SCOPE_MISSING,
    problems.NOT_FOUND,
    problems.METHOD,
    problems.TOO_LARGE,
    problems.URI_TOO_LONG,
    problems.RATE_LIMITED,
    problems.INTERNAL,
    problems.UNAVAILABLE,
    problems.TIMEOUT,
)
_RECEIVING = (
    own.INVALID_KEY,
    own.INVALID_DIGEST,
    own.DIGEST_MISMATCH,
    own.TYPE_NOT_ALLOWED,
    own.EXTENSION_NOT_ALLOWED,
    own.CONTENT_ENCODING,
    own.IDEMPOTENCY_REUSED,
    own.TOO_MANY_KEYS,
    own.OUTSIDE_GRANTS,
    own.TICKET_REFUSED,
    own.TICKET_USED_UP,
    own.KEY_TAKEN,
    own.TENANT_QUOTA,
    own.STORAGE_FULL,
    own.STORAGE_FAILED,
    problems.LENGTH_REQUIRED,
    problems.UNPROCESSABLE,
)

GET_FILE = Operation(
    id="downloadFile",
    tag="files",
    summary="Download a file",
    description="Supports ranges and conditional requests.",
    answers={
        200: Answer(
            "The whole content.",
            Content(),
            {"ETag": "A strong entity tag.", "Repr-Digest": "The SHA-256."},
        ),
        204: Answer(
            "The slice that Resumable.js, flow.js or simple-uploader ask for does not exist."
        ),
        206: Answer("The requested ranges.", Content()),
        304: Answer("The client already has this content."),
    },
    parameters=(
        Parameter("download", "query", "Return the file as an attachment with this name."),
        _WIDTH,
        Parameter("Range", "header", "The ranges of bytes to return (RFC 9110 section 14)."),
        _IF_MATCH,
        _IF_CHANGED,
    ),
    problems=(
        own.INVALID_KEY,
        own.OUTSIDE_GRANTS,
        own.NO_PREVIEW,
        own.PRECONDITION,
        problems.RANGE,
    ),
)
PUT_FILE = Operation(
    id="uploadFile",
    tag="files",
    summary="Upload a file",
    description="Creates or replaces the file; the body is the file. Grants must permit `write` at "
    "the key. The service refuses a form (multipart/form-data): send it with `uploadForm`. It also "
    "refuses a slice of an uploader that marks slices in the query.",
    body=Content(),
    answers={
        201: Answer(
            "The file is stored durably.",
            schemas.FileDocument,
            {"Location": "The file.", "ETag": "The entity tag of the file."},
        ),
        204: Answer("The file or files are stored durably (`Prefer: return=minimal`)."),
    },
    parameters=(
        _IF_NONE_MATCH,
        _IF_MATCH,
        _IDEMPOTENCY,
        Parameter(
            "Content-Digest",
            "header",
            "The digest of the body; the service verifies it (RFC 9530).",
        ),
        Parameter(
            "Repr-Digest", "header", "The digest of the body; the service verifies it (RFC 9530)."
        ),
        _PREFER,
        Parameter(
            "Upload-Complete",
            "header",
            "`?0`: the request begins a resumable upload (draft-ietf-httpbis-resumable-upload); "
            "`Location` has its address. `?1`: the body is the whole file.",
        ),
    ),
    problems=(
        *_RECEIVING,
        own.PRECONDITION,
        own.UPLOAD_LENGTH,
        own.SLICES_NOT_JOINED,
        own.INCONSISTENT_SLICE,
        problems.UNSUPPORTED_MEDIA,
    ),
)
POST_FORM = Operation(
    id="uploadForm",
    tag="files",
    summary="Upload the files of a form",
    description="Files may be in any field. Plain fields: `prefix`, `on_conflict` (`rename`, "
    "`replace`, `error`; the default is `rename`, with `If-Match` it is `replace`), `paths` "
    "(`keep`: the folders in a file's name become part of its key, below `prefix`; otherwise only "
    "the part after the last slash counts), `redirect` (a page to which the response redirects, if "
    "the ticket or the bucket's `cors_origins` permit it). Grants must permit `write` at each key, "
    "also at a key that `rename` chooses. The service stores all files, or none. The response to a "
    "form with a slice of a file from dropzone (`dzuuid`, `dzchunkindex`…) is a 202, and the "
    "response to the last slice has the file. The service refuses slices of other uploaders.",
    body=Content(
        "multipart/form-data",
        {
            "type": "object",
            "properties": {
                "file": {"type": "string", "format": "binary"},
                "prefix": {"type": "string"},
                "on_conflict": {"enum": ["rename", "replace", "error"]},
                "paths": {"enum": ["drop", "keep"]},
                "redirect": {"type": "string", "format": "uri"},
            },
            "required": ["file"],
        },
    ),
    answers={
        201: Answer("The files are stored durably.", schemas.Files),
        202: Answer(
            "The slice is stored durably; other slices of its file are missing.",
            schemas.SliceDocument,
        ),
        204: Answer("The file or files are stored durably (`Prefer: return=minimal`)."),
        303: Answer(
            "The files are stored durably; continue at the page.", headers={"Location": "The page."}
        ),
    },
    parameters=(
        _IF_NONE_MATCH,
        _IF_MATCH,
        _IDEMPOTENCY,
        Parameter(
            "Content-Digest",
            "header",
            "The digest of the whole form; the service verifies it (RFC 9530).",
        ),
        _PREFER,
    ),
    problems=(
        *_RECEIVING,
        own.PRECONDITION,
        own.MALFORMED_FORM,
        own.NO_FILE,
        own.SLICES_NOT_JOINED,
        own.INCONSISTENT_SLICE,
        own.SLICES_REFUSED,
        own.UPLOAD_BUSY,
        own.UPLOAD_APART,
        problems.UNSUPPORTED_MEDIA,
    ),
)
_SHARED_ANSWERS = {
    200: Answer(
        "The whole content.",
        Content(),
        {"ETag": "A strong entity tag.", "Repr-Digest": "The SHA-256."},
    ),
    206: Answer("The requested ranges.", Content()),
    304: Answer("The client already has this content."),
    308: Answer(
        "User content has a separate origin.", None, {"Location": "The file at that origin."}
    ),
}
_SHARED_PROBLEMS = (
    problems.MALFORMED,
    problems.NOT_FOUND,
    own.NO_PREVIEW,
    problems.METHOD,
    own.PRECONDITION,
    problems.TOO_LARGE,
    problems.URI_TOO_LONG,
    problems.RANGE,
    problems.RATE_LIMITED,
    problems.INTERNAL,
    problems.UNAVAILABLE,
    problems.TIMEOUT,
)
_DOWNLOAD = Parameter("download", "query", "Return the file as an attachment with this name.")
_RANGE = Parameter("Range", "header", "The ranges of bytes to return (RFC 9110 section 14).")
_DESCRIPTION = (
    "Supports ranges and conditional requests. The response to any invalid address is the same 404."
)
GET_LINK = Operation(
    id="downloadFileByLink",
    tag="sharing",
    summary="Download a file by a signed link",
    description=_DESCRIPTION,
    answers=_SHARED_ANSWERS,
    parameters=(_DOWNLOAD, _WIDTH, _RANGE, _IF_MATCH, _IF_CHANGED),
    problems=_SHARED_PROBLEMS,
)
GET_PREFIX_LINK = replace(
    GET_LINK,
    id="downloadFileByPrefixLink",
    summary="Download a file by a signed link to a prefix",
    description=_DESCRIPTION + " Append the rest of the key to the link.",
)
GET_PUBLIC = Operation(
    id="downloadPublicFile",
    tag="sharing",
    summary="Download a file of a public bucket",
    description=_DESCRIPTION,
    answers=_SHARED_ANSWERS,
    parameters=(_DOWNLOAD, _WIDTH, _RANGE, _IF_MATCH, _IF_CHANGED),
    problems=_SHARED_PROBLEMS,
)
BY_TICKET = "The ticket in the address is the only credential. "
PUT_BY_TICKET = replace(
    PUT_FILE,
    id="uploadFileByTicket",
    tag="tickets",
    summary="Upload the one file that a ticket names",
    description=BY_TICKET + "For a ticket that names a key; the body is the file.",
    problems=(*ALWAYS, *PUT_FILE.problems),
)
PUT_NAME_BY_TICKET = replace(
    PUT_BY_TICKET,
    id="uploadNamedFileByTicket",
    summary="Upload a file below the prefix of a ticket",
    description=BY_TICKET + "The key is the ticket's prefix and the name; no file is replaced.",
)
POST_BY_TICKET = replace(
    POST_FORM,
    id="uploadFormByTicket",
    tag="tickets",
    summary="Upload the files of a form by a ticket",
    description=BY_TICKET + "Files are stored below the ticket's prefix, or the one file with its "
    "key. A browser that submits the form without a script is redirected to the ticket's first "
    "`redirect`.",
    problems=(*ALWAYS, *POST_FORM.problems),
)
HEAD_FILE = head_of(GET_FILE, "headFile", "Read a file's header fields")
HEAD_LINK = head_of(GET_LINK, "headFileByLink", "Read a file's header fields by a signed link")
HEAD_PREFIX_LINK = head_of(
    GET_PREFIX_LINK,
    "headFileByPrefixLink",
    "Read a file's header fields by a signed link to a prefix",
)
HEAD_PUBLIC = head_of(
    GET_PUBLIC, "headPublicFile", "Read the header fields of a file of a public bucket"
)
LINK = public("The link in the address is the credential.")
PUBLIC = public("The bucket is public.")
TICKETED = public("The ticket in the address is the credential.")
READ, WRITE = scope("files:read"), scope("files:write")
ROUTES = (
    Route("GET", "/s/{token}", GET_LINK, LINK),
    Route("HEAD", "/s/{token}", HEAD_LINK, LINK),
    Route("GET", "/s/{token}/{key}", GET_PREFIX_LINK, LINK),
    Route("HEAD", "/s/{token}/{key}", HEAD_PREFIX_LINK, LINK),
    Route("GET", "/public/{tenant}/{bucket}/{key}", GET_PUBLIC, PUBLIC),
    Route("HEAD", "/public/{tenant}/{bucket}/{key}", HEAD_PUBLIC, PUBLIC),
    Route("GET", FILE, GET_FILE, READ),
    Route("HEAD", FILE, HEAD_FILE, READ),
    Route("PUT", FILE, PUT_FILE, WRITE),
    Route("POST", FORM, POST_FORM, WRITE),
    Route("PUT", TICKET, PUT_BY_TICKET, TICKETED),
    Route("PUT", TICKET_NAME, PUT_NAME_BY_TICKET, TICKETED),
    Route("POST", TICKET, POST_BY_TICKET, TICKETED),
    *uploads.ROUTES,
    *uploads.by_ticket(TICKETED, ALWAYS),
)
