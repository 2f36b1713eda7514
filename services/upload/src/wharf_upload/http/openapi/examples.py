"""The examples of operations, by id; `tests/unit/openapi` compares them with the schemas."""

from __future__ import annotations

from datetime import timedelta

from servicekit.examples import Example
from wharf_upload.http import link_schemas, schemas
from wharf_upload.http.openapi import samples
from wharf_upload.http.openapi.samples import CONTENT, ETAG, FILE
from wharf_upload.http.openapi.webhook_examples import WEBHOOKS

_UNCHANGED = {"If-None-Match": ETAG}
_READ = Example(answers={200: CONTENT, 206: CONTENT[:5]}, values=_UNCHANGED)
_READ_HEAD = Example(values=_UNCHANGED)
_SHARED = Example(
    answers=_READ.answers,
    values={**_UNCHANGED, "Location": "https://files.example/s/l6RhY21l…"},
)
_SHARED_HEAD = Example(values=_SHARED.values)
_STORE = Example(
    body=CONTENT,
    answers={201: FILE},
    values={"Location": FILE.links.content, "Upload-Complete": "?1"},
)
_FORM = Example(
    body={"file": CONTENT, "prefix": "notes/", "on_conflict": "rename"},
    answers={
        201: schemas.Files((FILE,)),
        202: schemas.SliceDocument(0, 3, 5_000_000, FILE.created_at + timedelta(days=1)),
    },
    values={"Location": "https://app.example/thanks"},
)
_APPEND = Example(
    body=CONTENT,
    answers={200: FILE, 201: FILE},
    values={"Upload-Offset": "0", "Prefer": "return=representation"},
)

FILES = {
    "listFiles": Example(
        answers={200: schemas.Listing((FILE,), ("notes/2026/",), next_cursor=None)}
    ),
    "downloadFile": _READ,
    "headFile": _READ_HEAD,
    "uploadFile": _STORE,
    "uploadForm": _FORM,
    "getFileMetadata": Example(answers={200: FILE}),
    "updateFileMetadata": Example(
        bodies={
            "describe": {"metadata": {"author": "王小明"}, "expires_at": "2026-08-24T17:20:00Z"},
            "move": {"key": "archive/你好.txt"},
        },
        answers={200: FILE},
    ),
}
COPIES = {
    "createCopy": Example(
        body={
            "from": {"bucket": "inbox", "key": "你好.txt"},
            "to": {"bucket": samples.BUCKET, "key": samples.KEY},
            "on_conflict": "rename",
            "move": True,
        },
        answers={201: FILE},
        values={"Location": FILE.links.content},
    ),
}
SHARING = {
    "createLink": Example(
        bodies={
            "file": {"bucket": samples.BUCKET, "key": samples.KEY, "expires_in": 3600},
            "prefix": {"bucket": samples.BUCKET, "prefix": "notes/", "expires_in": 86400},
        },
        answers={
            201: {
                "id": samples.LISTED_LINK.id,
                "url": "/s/l6RhY21l…",
                "expires_at": "2026-07-25T18:20:00Z",
            }
        },
    ),
    "listLinks": Example(
        answers={200: link_schemas.LinkPage((samples.LISTED_LINK,), next_cursor=None)}
    ),
    "getLink": Example(answers={200: samples.LISTED_LINK}),
    "downloadFileByLink": _SHARED,
    "headFileByLink": _SHARED_HEAD,
    "downloadFileByPrefixLink": _SHARED,
    "headFileByPrefixLink": _SHARED_HEAD,
    "downloadPublicFile": _SHARED,
    "headPublicFile": _SHARED_HEAD,
}
TICKETS = {
    "uploadFileByTicket": _STORE,
    "uploadNamedFileByTicket": _STORE,
    "uploadFormByTicket": _FORM,
    "appendToUploadByTicket": _APPEND,
    "appendToUploadByPostByTicket": _APPEND,
}
UPLOADS = {
    "getTicket": Example(answers={200: samples.TICKET}),
    "listUploads": Example(answers={200: schemas.Uploads((samples.UNDER_WAY,), next_cursor=None)}),
    "createUpload": Example(
        body=CONTENT,
        values={"Location": f"/v1/uploads/{samples.UPLOAD}", "Upload-Offset": "14"},
    ),
    "appendToUpload": _APPEND,
    "appendToUploadByPost": _APPEND,
}
BUCKETS = {
    "listBuckets": Example(answers={200: schemas.Buckets((samples.DOCUMENTS,), next_cursor=None)}),
    "getBucket": Example(answers={200: samples.DOCUMENTS}),
    "putBucket": Example(
        body={
            "max_file_bytes": 104_857_600,
            "allowed_types": ["text/plain", "application/pdf", "image/*"],
            "cors_origins": ["https://app.example"],
        },
        answers={200: samples.DOCUMENTS, 201: samples.DOCUMENTS},
    ),
}
EVENTS = {
    "listEvents": Example(
        answers={
            200: schemas.Events((samples.CREATED, samples.WARNING), next_after=samples.WARNING.id)
        }
    ),
}
_LIMITS = schemas.LimitsDocument(samples.TENANT, samples.LIMITS, samples.ALLOWED)
USAGE = {
    "getUsage": Example(answers={200: schemas.UsageDocument(9_663_676_416, 1204, samples.ALLOWED)}),
    "getTenantLimits": Example(answers={200: _LIMITS}),
    "setTenantLimits": Example(
        body={"max_bytes": 10_737_418_240, "requests_per_minute": 6000}, answers={200: _LIMITS}
    ),
}
EXAMPLES = {
    **FILES,
    **COPIES,
    **SHARING,
    **TICKETS,
    **UPLOADS,
    **BUCKETS,
    **EVENTS,
    **USAGE,
    **WEBHOOKS,
}
