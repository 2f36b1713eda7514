"""Addresses of files and uploads, for documents that are made without a request or Flask."""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes

FILES, TICKETS, UPLOADS = "/v1/files/", "/u/", "/v1/uploads"
# Keys that are equal to their percent-encoded form: most keys.
_PLAIN_KEY = re.compile(r"[A-Za-z0-9/._~-]+\Z")
_SAFE_IN_PATH = "/-._~!$&'()*+,;=:@"


def path_of(bucket: str, key: str, prefix: str = FILES) -> str:
    """Return the percent-encoded path of a file."""
    if not _PLAIN_KEY.match(key):
        key = quote_from_bytes(key.encode(), safe=_SAFE_IN_PATH)
    return f"{prefix}{bucket}/{key}"
