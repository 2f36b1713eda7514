"""Tags, and examples of parameters and header fields, for the OpenAPI document."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode

from servicekit.examples import Guide
from wharf_upload.http.openapi import samples
from wharf_upload.http.openapi.examples import EXAMPLES

TAGS = {
    "files": "Upload, download, list, describe and delete files.",
    "uploads": "Resumable uploads: tus 1.0.0, or the IETF protocol that begins with `uploadFile`.",
    "tickets": "Uploads with a ticket in the address, for forms and pages without a token.",
    "sharing": "Signed links, and downloads without a token.",
    "buckets": "Buckets and their policies.",
    "events": "The events of a tenant's files and quotas.",
    "usage": "The usage and the limits of a tenant.",
    "webhooks": "Endpoints that receive the tenant's events as signed requests.",
}
PATH_PARAMETERS = {
    "bucket": "The name of the bucket.",
    "delivery": "The id of the delivery, from the list of deliveries.",
    "endpoint": "The id of the endpoint, from its creation or from the list of endpoints.",
    "key": "The key of the file in its bucket, percent-encoded; slashes need no encoding.",
    "link": "The id of the signed link, from its creation or from the list of links.",
    "tenant": "The name of the tenant.",
    "ticket": "The upload ticket.",
    "token": "The token of the signed link.",
    "upload": "The id of the upload, from the `Location` in the response to its creation.",
}
_NAME_BASE64 = b64encode(samples.FILENAME.encode()).decode()
_BUCKET_BASE64 = b64encode(samples.BUCKET.encode()).decode()
VALUES = {
    "bucket": samples.BUCKET,
    "key": samples.KEY,
    "tenant": samples.TENANT,
    "ticket": "eyJ…",
    "token": "l6RhY21l…",
    "link": samples.LISTED_LINK.id,
    "maker": samples.LISTED_LINK.maker,
    "upload": samples.UPLOAD,
    "after": samples.BEFORE,
    "before": samples.WARNING.id,
    "kind": "file.created",
    "order": "newest",
    "cursor": urlsafe_b64encode(samples.KEY.encode()).decode().rstrip("="),
    "delimiter": "/",
    "delivery": samples.WARNING.id,
    "download": samples.FILENAME,
    "endpoint": "019f9a4a7a7b7b21a9d1c2e3f4a50611",
    "state": "failed",
    "w": 256,
    "limit": 100,
    "prefix": "notes/",
    "subject": "web",
    "Content-Digest": samples.REPR_DIGEST,
    "Content-Location": samples.FILE.links.content,
    "ETag": samples.ETAG,
    "Idempotency-Key": "019f9a4a-7a7b-7f21-8c4d-5b0e6a1d9c33",
    "Idempotent-Replayed": "true",
    "If-Match": samples.ETAG,
    "If-None-Match": "*",
    "Prefer": "return=minimal",
    "Range": "bytes=0-4",
    "Repr-Digest": samples.REPR_DIGEST,
    "Tus-Resumable": "1.0.0",
    "Upload-Checksum": f"sha256 {samples.SHA256_BASE64}",
    "Upload-Complete": "?1",
    "Upload-Concat": "partial",
    "Upload-Defer-Length": "1",
    "Upload-Expires": "Sun, 26 Jul 2026 17:20:00 GMT",
    "Upload-Length": "104857600",
    "Upload-Limit": "max-size=107374182400, min-size=0, max-age=86400",
    "Upload-Metadata": f"filename {_NAME_BASE64},bucket {_BUCKET_BASE64}",
    "Upload-Offset": "14",
    "X-HTTP-Method-Override": "PATCH",
}
GUIDE = Guide(TAGS, PATH_PARAMETERS, VALUES, EXAMPLES)
