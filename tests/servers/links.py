"""Links of a test's own service."""

from __future__ import annotations

import json
from typing import Any

from servicekit.ids import uuid7_hex
from servicekit.reaches import Maker
from tests.servers.upload import UploadService
from wharf_upload.domain.kept_links import KeptLink

# The first bytes of a PNG picture, by which sniffing recognises the type.
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(20)


def link(upload: UploadService, **wanted: Any) -> str:
    """Make a link and return its path."""
    body = json.dumps({"bucket": "default", **wanted}).encode()
    reply = upload.request("POST", "/v1/links", body, {"Content-Type": "application/json"})
    assert reply.status_code == 201, reply.text
    url: str = json.loads(reply.data)["url"]
    return url


def kept_link(
    tokens: tuple[str, ...] = ("t1",), expires_at: int = 2**50, *, tenant: str = "demo"
) -> KeptLink:
    """Return the row of a link, made with the tokens of these ids. Times are in milliseconds."""
    return KeptLink(
        tenant=tenant,
        id=uuid7_hex(),
        bucket="default",
        target="kept.txt",
        is_prefix=False,
        disposition="inline",
        filename="",
        maker=Maker("client-1"),
        tokens=tokens,
        created_at=1000,
        expires_at=expires_at,
    )
