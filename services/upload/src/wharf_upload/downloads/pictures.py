"""The header fields of a response with a small picture.

A caller that may read a file may read its picture; no other caller may. The gateway gets pictures
from the service `images` and caches them (`deploy/nginx/snippets/pictures.conf.template`).
"""

from __future__ import annotations

from wharf_upload.domain.conditions import http_date
from wharf_upload.domain.dispositions import content_disposition
from wharf_upload.domain.files import File
from wharf_upload.downloads.headers import PRIVATE, Headers


def etag(file: File, width: int) -> str:
    """Return the entity tag of a picture; it differs from the file's, because the bytes differ."""
    return f'"{file.sha256}-w{width}"'


def disposition(file: File, name: str = "") -> str:
    """Return the Content-Disposition of a picture; `name` is the file's name in a link.

    The disposition is always inline: a picture is a new image, and contains only pixels.
    """
    whole = name or file.filename
    return content_disposition("inline", f"{whole.rpartition('.')[0] or whole}.webp")


def picture_headers(
    file: File, width: int, *, name: str = "", cache_control: str = PRIVATE
) -> Headers:
    """Return the header fields of a response with a picture.

    The gateway adds the security fields, and the service that makes the picture adds the type.
    """
    return [
        ("Content-Disposition", disposition(file, name)),
        ("ETag", etag(file, width)),
        ("Last-Modified", http_date(file.created_at // 1000)),
        ("Cache-Control", cache_control),
    ]
