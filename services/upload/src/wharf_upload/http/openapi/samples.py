"""The sample values of all examples: one small file, its bucket, an upload."""

from __future__ import annotations

import hashlib
from base64 import b64encode

from servicekit.reaches import Maker
from wharf_upload.catalog.links import SeenLink
from wharf_upload.domain import digests
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.events import Event
from wharf_upload.domain.files import File
from wharf_upload.domain.kept_links import KeptLink
from wharf_upload.domain.quotas import QuotaWarning
from wharf_upload.domain.resumable_upload import Upload, UploadOptions
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.http import link_schemas, schemas
from wharf_upload.http.event_cursors import cursor_of
from wharf_upload.uploads.resumable.under_way import UnderWay

TENANT, BUCKET, KEY = "acme", "documents", "notes/你好.txt"
FILENAME = "你好.txt"
CONTENT = "Hello, 世界\n"
_SHA256 = hashlib.sha256(CONTENT.encode())
SHA256_BASE64 = b64encode(_SHA256.digest()).decode()
REPR_DIGEST = digests.repr_digest(_SHA256.digest())
UPLOAD = "019f9a4a7a7b7c3e9a52d41f08b6e715"
_CREATED = 1_785_000_000_123

_FILE = File(
    id="019f9a4a7a7b7d10b1f6c2a94e5d7780",
    tenant=TENANT,
    bucket=BUCKET,
    key=KEY,
    blob="019f9a4a7a7b7d10b1f6c2a94e5d7780",
    size=len(CONTENT.encode()),
    sha256=_SHA256.hexdigest(),
    media_type="text/plain",
    declared_type="text/plain",
    filename=FILENAME,
    owner="web",
    metadata={"author": "王小明"},
    created_at=_CREATED,
    expires_at=_CREATED + 30 * 24 * 3600 * 1000,
)
FILE = schemas.of_file(_FILE)
ETAG = FILE.etag
LISTED_LINK = link_schemas.of_link(
    SeenLink(
        KeptLink(
            tenant=TENANT,
            id="019f9a4a7a7b7a5e8c3f6b1d2e4a9077",
            bucket=BUCKET,
            target=KEY,
            is_prefix=False,
            disposition="inline",
            filename="",
            maker=Maker("web"),
            tokens=(),
            created_at=_CREATED,
            expires_at=_CREATED + 3600 * 1000,
        ),
        may_read=True,
    )
)
BEFORE = cursor_of(TENANT, 1000 * _CREATED - 1)
CREATED = schemas.of_event(
    Event(seq=1000 * _CREATED, kind="file.created", at=_CREATED, file=_FILE),
    cursor_of(TENANT, 1000 * _CREATED),
)
WARNING = schemas.of_event(
    Event(
        seq=1000 * _CREATED + 1,
        kind="quota.warning",
        at=_CREATED,
        warning=QuotaWarning(
            crossed=("bytes",),
            percent=90,
            used_bytes=9_663_676_416,
            limit_bytes=10_737_418_240,
            used_files=1204,
            limit_files=None,
        ),
    ),
    cursor_of(TENANT, 1000 * _CREATED + 1),
)
UNDER_WAY = schemas.of_upload(
    UnderWay(
        Upload(
            id=UPLOAD,
            tenant=TENANT,
            subject="web",
            bucket=BUCKET,
            key="films/holidays.mp4",
            length=104_857_600,
            options=UploadOptions(protocol="tus"),
            created_at=_CREATED,
            expires_at=0,
        ),
        offset=41_943_040,
        expires_at=_CREATED + 24 * 3600 * 1000,
    )
)
TICKET = schemas.TicketDocument(
    tenant=TENANT,
    bucket=BUCKET,
    key=None,
    prefix="in/",
    methods=("PUT", "POST"),
    max_file_bytes=10_000_000,
    allowed_types=("image/*",),
    allowed_extensions=(),
    max_files=20,
    files=3,
    expires_at=schemas.moment(_CREATED + 3600 * 1000),
)
_POLICY = Policy(
    max_file_bytes=104_857_600,
    allowed_types=("text/plain", "application/pdf", "image/*"),
    cors_origins=("https://app.example",),
)
DOCUMENTS = schemas.of_bucket(
    Bucket(tenant=TENANT, name=BUCKET, policy=_POLICY, created_at=_CREATED)
)
LIMITS = Limits(max_bytes=10_737_418_240, requests_per_minute=6000)
ALLOWED = Limits(
    max_bytes=10_737_418_240,
    max_file_bytes=107_374_182_400,
    requests_per_minute=6000,
    client_requests_per_minute=30_000,
    concurrent_uploads=32,
)
