"""Links of a test's own service."""

from __future__ import annotations

import json
from typing import Any

from tests.servers.upload import UploadService

# The first bytes of a picture, as far as types are told by them.
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(20)


def link(upload: UploadService, **wanted: Any) -> str:
    """A link's path."""
    body = json.dumps({"bucket": "default", **wanted}).encode()
    reply = upload.request("POST", "/v1/links", body, {"Content-Type": "application/json"})
    assert reply.status_code == 201, reply.text
    url: str = json.loads(reply.data)["url"]
    return url
