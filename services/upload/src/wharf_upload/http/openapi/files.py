"""Operations whose handlers get requests as they are, declared for the OpenAPI document."""

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
    "Idempotency-Key", "header", "A key of the client's choice; a repeated request gets one answer."
)
_IF_NONE_MATCH = Parameter("If-None-Match", "header", "`*`: create, never replace.")
_IF_CHANGED = Parameter(
    "If-None-Match", "header", "Send the content unless it has this entity tag."
)
_WIDTH = Parameter(
    "w",
    "query",
    "Send a small picture of the file instead: WebP, so many pixels on its longer side at most. "
    "`download` means nothing then.",
    {"type": "integer", "enum": list(WIDTHS)},
)
_PREFER = Parameter("Prefer", "header", "`return=minimal`: no JSON.")
_IF_MATCH = Parameter("If-Match", "header", "Act only on the file with this entity tag.")
# Any operation may meet these: bad credentials, limits, faults.
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
    description="Sent by the gateway; ranges and conditional requests work.",
    answers={
        200: Answer(
            "The whole content.", Content(), {"ETag": "Strong.", "Repr-Digest": "SHA-256."}
        ),
        204: Answer(
            "The slice is not there: of Resumable.js, flow.js or simple-uploader, which ask so."
        ),
        206: Answer("The ranges that were asked for.", Content()),
        304: Answer("The client has it already."),
    },
    parameters=(
        Parameter("download", "query", "Send as an attachment of this name."),
        _WIDTH,
        Parameter("Range", "header", "Bytes, RFC 9110 section 14."),
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
    description="Creates or replaces; the body is the file. Grants have to allow `write` at the "
    "key. A form (multipart/form-data) is "
    "refused: send it by `uploadForm`. So is a slice of an uploader that says so in the query.",
    body=Content(),
    answers={
        201: Answer(
            "Stored, durably.",
            schemas.FileDocument,
            {"Location": "The file.", "ETag": "Its entity tag."},
        ),
        204: Answer("Stored, durably (`Prefer: return=minimal`)."),
    },
    parameters=(
        _IF_NONE_MATCH,
        _IF_MATCH,
        _IDEMPOTENCY,
        Parameter("Content-Digest", "header", "Verified, RFC 9530."),
        Parameter("Repr-Digest", "header", "Verified, RFC 9530."),
        _PREFER,
        Parameter(
            "Upload-Complete",
            "header",
            "`?0`: begins a resumable upload (draft-ietf-httpbis-resumable-upload); its address "
            "is in `Location`. `?1`: this is the whole file.",
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
    description="Files in any field; plain fields: `prefix`, `on_conflict` (`rename`, `replace`, "
    "`error`; the default is `rename`, with `If-Match` it is `replace`), `paths` (`keep`: the "
    "folders in a file's name become part of its key, below `prefix`; else only what follows the "
    "last slash counts), `redirect` (a page to go on to, where the ticket or the bucket's "
    "`cors_origins` allow it). Grants have to allow `write` at each key, also at one that `rename` "
    "chooses. All files are stored, or none. A "
    "form with a slice of a file from dropzone (`dzuuid`, `dzchunkindex`…) is acknowledged with "
    "202, and the answer to the last slice has the file; slices of other uploaders are refused.",
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
        201: Answer("Stored, durably.", schemas.Files),
        202: Answer(
            "The slice is kept, durably; others of its file are missing.", schemas.SliceDocument
        ),
        204: Answer("Stored, durably (`Prefer: return=minimal`)."),
        303: Answer("Stored, durably; go on to the page.", headers={"Location": "The page."}),
    },
    parameters=(
        _IF_NONE_MATCH,
        _IF_MATCH,
        _IDEMPOTENCY,
        Parameter("Content-Digest", "header", "Of the whole form: verified, RFC 9530."),
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
    200: Answer("The whole content.", Content(), {"ETag": "Strong.", "Repr-Digest": "SHA-256."}),
    206: Answer("The ranges that were asked for.", Content()),
    304: Answer("The client has it already."),
    308: Answer("User content is on an origin of its own.", None, {"Location": "The file there."}),
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
_DOWNLOAD = Parameter("download", "query", "Send as an attachment of this name.")
_RANGE = Parameter("Range", "header", "Bytes, RFC 9110 section 14.")
_DESCRIPTION = (
    "Sent by the gateway; ranges and conditional requests work. Whatever is wrong with the "
    "address, the answer is the same 404."
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
    description=_DESCRIPTION + " The rest of the key follows the token.",
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
BY_TICKET = "The ticket in the address is the credential: no other one is sent. "
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
    description=BY_TICKET + "The name is put behind the ticket's prefix; no file is replaced.",
)
POST_BY_TICKET = replace(
    POST_FORM,
    id="uploadFormByTicket",
    tag="tickets",
    summary="Upload the files of a form by a ticket",
    description=BY_TICKET + "Files go below the ticket's prefix, or the one file under its key. "
    "A browser that submits the form by itself is sent on to the ticket's first `redirect`.",
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
