"""A check of the bucket: a cheap request with a result that is cached for some seconds."""

from __future__ import annotations

import threading
import time
from urllib.parse import quote

from wharf_upload.storage.errors import StoreError
from wharf_upload.storage.s3 import metrics
from wharf_upload.storage.s3.keys import KeyFile
from wharf_upload.storage.s3.tries import BRIEF
from wharf_upload.storage.s3.wire import Wire

_HOLDS_SECONDS = 5.0
_LIST = b"ListBucketResult"


class Probe:
    """Asks the store for the name of one object; several threads may use it.

    One thread sends the request. After the first result, the other threads get the last result
    without waiting: otherwise a store that does not respond would block all of them.
    """

    def __init__(self, wire: Wire, keys: KeyFile, prefix: str) -> None:
        """Create the probe; this sends no request."""
        self._wire, self._keys, self._prefix = wire, keys, prefix
        self._lock = threading.Lock()
        self._error: str | None = None
        self._until: float | None = None

    def error(self) -> str | None:
        """Return what is wrong and what to do about it, or `None`."""
        if self._lock.acquire(blocking=self._until is None):
            try:
                if self._until is None or time.monotonic() >= self._until:
                    self._error = self._ask()
                    self._until = time.monotonic() + _HOLDS_SECONDS
            finally:
                self._lock.release()
        return self._error

    def _ask(self) -> str | None:
        query = f"list-type=2&max-keys=1&prefix={quote(self._prefix, safe='')}"
        try:
            answer = self._wire.send(metrics.LIST, "GET", "", query=query, patience=BRIEF)
        except StoreError as error:
            return str(error)
        if _LIST not in answer.body:
            # A server that is no object store may return 200 to any request.
            return "the server at WHARF_BLOB_URL is no object store"
        return self._keys.error
