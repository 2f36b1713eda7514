"""How a file is served: as what, under which name, and with which header fields."""

from __future__ import annotations

from wharf_upload.domain.conditions import http_date
from wharf_upload.domain.digests import repr_digest
from wharf_upload.domain.dispositions import content_disposition
from wharf_upload.domain.media_types import INLINE_TYPES
from wharf_upload.records.base import File

Headers = list[tuple[str, str]]


def headers(file: File, download_name: str | None = None) -> Headers:
    """The representation's header fields; `download_name` forces an attachment of that name.

    Only inert types are shown inline. The gateway adds the security fields, the same for every
    file (`deploy/nginx/snippets/user_content.conf`).
    """
    inline = download_name is None and file.media_type in INLINE_TYPES
    disposition = content_disposition(
        "inline" if inline else "attachment", download_name or file.filename
    )
    return [
        ("Content-Type", content_type(file.media_type)),
        ("Content-Disposition", disposition),
        ("ETag", file.etag),
        ("Last-Modified", http_date(file.created_at // 1000)),
        ("Repr-Digest", repr_digest(bytes.fromhex(file.sha256))),
        ("Cache-Control", "private, no-cache"),
    ]


def content_type(media_type: str) -> str:
    """The Content-Type field: text is UTF-8 here, since what is not does not sniff as text."""
    if media_type.startswith("text/"):
        return media_type + "; charset=utf-8"
    return media_type
