"""Fetching of documents from addresses in the settings, without proxies and redirects."""

from __future__ import annotations

import http.client
import urllib.request
from typing import Any

_TIMEOUT_SECONDS = 3.0


class FetchError(Exception):
    """The document could not be fetched; the message names the address and the reason."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A handler that follows no redirect: keys and revocations must come from the set address."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())


def fetch(url: str, max_bytes: int) -> bytes:
    """Fetch the document at an address; raise `FetchError` on failure or above `max_bytes`."""
    try:
        with _opener.open(url, timeout=_TIMEOUT_SECONDS) as reply:
            document: bytes = reply.read(max_bytes + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise FetchError(f"{url}: {error}") from None
    if len(document) > max_bytes:
        raise FetchError(f"{url}: larger than {max_bytes} bytes")
    return document
