"""The header fields of a file's response: type, name, validators and caching."""

from __future__ import annotations

from wharf_upload.content_types.media_types import INLINE_TYPES
from wharf_upload.domain.conditions import http_date
from wharf_upload.domain.digests import repr_digest
from wharf_upload.domain.dispositions import Kind, content_disposition
from wharf_upload.domain.files import File

Headers = list[tuple[str, str]]


PRIVATE = "private, no-cache"
_TEXT = "text/plain"


def file_headers(
    file: File,
    download_name: str | None = None,
    *,
    disposition: str | None = None,
    cache_control: str = PRIVATE,
) -> Headers:
    """Return the header fields of a file; `download_name` makes it an attachment of that name.

    `disposition`, if given, is the whole field `Content-Disposition`, for example from a link. The
    gateway adds the security fields (`deploy/nginx/snippets/user_content.conf`).
    """
    return [
        ("Content-Type", content_type(file.media_type, utf8=file.utf8)),
        ("Content-Disposition", disposition or disposition_of(file, download_name)),
        ("ETag", file.etag),
        ("Last-Modified", http_date(file.created_at // 1000)),
        ("Repr-Digest", repr_digest(bytes.fromhex(file.sha256))),
        ("Cache-Control", cache_control),
    ]


def disposition_of(
    file: File, download_name: str | None = None, *, kind: Kind = "inline", name: str = ""
) -> str:
    """Return the Content-Disposition; `download_name` makes it an attachment of that name.

    `name` replaces the file's own name. The result is `inline` if `kind` is `inline`, there is no
    `download_name`, the type is in `INLINE_TYPES`, and the bytes contain no active content
    (security.md rows 31, 41). Plain text stays inline even if it contains markup: browsers do not
    interpret the markup, because of `nosniff`.
    """
    inline = (
        kind == "inline"
        and download_name is None
        and file.media_type in INLINE_TYPES
        and (not file.active or file.media_type == _TEXT)
    )
    return content_disposition(
        "inline" if inline else "attachment", download_name or name or file.filename
    )


def content_type(media_type: str, *, utf8: bool = True) -> str:
    """Return the Content-Type; text has a charset if it is known to be UTF-8."""
    if utf8 and media_type.startswith("text/"):
        return media_type + "; charset=utf-8"
    return media_type
