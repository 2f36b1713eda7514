"""What an answer with a small picture says.

Who may have the file may have its picture, and nobody else. It is made and kept behind the gateway
(`deploy/nginx/snippets/pictures.conf.template`); here it is named.
"""

from __future__ import annotations

from wharf_upload.domain.conditions import http_date
from wharf_upload.domain.dispositions import content_disposition
from wharf_upload.domain.files import File
from wharf_upload.downloads.headers import PRIVATE, Headers


def etag(file: File, width: int) -> str:
    """Return the entity tag of a picture, which is not the file's: the bytes are others."""
    return f'"{file.sha256}-w{width}"'


def disposition(file: File, name: str = "") -> str:
    """Return the Content-Disposition: always inline, since a picture is made anew and holds nothing
    but pixels. `name`: what a link calls the file.
    """
    whole = name or file.filename
    return content_disposition("inline", f"{whole.rpartition('.')[0] or whole}.webp")


def picture_headers(
    file: File, width: int, *, name: str = "", cache_control: str = PRIVATE
) -> Headers:
    """Return the fields of an answer with a picture.

    The gateway adds the security fields, and the type is said by who makes it.
    """
    return [
        ("Content-Disposition", disposition(file, name)),
        ("ETag", etag(file, width)),
        ("Last-Modified", http_date(file.created_at // 1000)),
        ("Cache-Control", cache_control),
    ]
