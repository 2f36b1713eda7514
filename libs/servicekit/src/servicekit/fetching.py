"""Documents of the services' own addresses, fetched in the background: no proxy, no redirects."""

from __future__ import annotations

import http.client
import urllib.request
from typing import Any

_TIMEOUT_SECONDS = 3.0


class FetchError(Exception):
    """The document did not come; the message names the address and why."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys and revocations come from the address that was set, or not at all."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())


def fetch(url: str, max_bytes: int) -> bytes:
    """The document at an address; raises `FetchError`, also for one that is larger."""
    try:
        with _opener.open(url, timeout=_TIMEOUT_SECONDS) as reply:
            document: bytes = reply.read(max_bytes + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise FetchError(f"{url}: {error}") from None
    if len(document) > max_bytes:
        raise FetchError(f"{url}: larger than {max_bytes} bytes")
    return document
