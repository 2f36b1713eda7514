"""A reader of an object while its bytes arrive."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError

from wharf_upload.storage.errors import StoreError
from wharf_upload.storage.s3 import errors, metrics


class ObjectReader:
    """An object's content; the connection returns to its pool when all bytes are read."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        """Take over a response before any of its bytes is read; raises `StoreError`."""
        self._answer = answer
        length = answer.headers.get("Content-Length", "")
        if not length.isdecimal():
            answer.close()
            raise StoreError("the object store does not send the length of an object")
        self._size = int(length)
        self._left = self._size

    def size(self) -> int:
        """Return the size of the blob in bytes."""
        return self._size

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, or all remaining bytes; raises `StoreUnavailable`."""
        wanted = self._left if size < 0 else min(size, self._left)
        if not wanted:
            return b""
        try:
            data = self._answer.read(wanted)
        except ReadTimeoutError:
            raise errors.timed_out().error from None
        except HTTPError:
            raise errors.broken_off().error from None
        if len(data) < wanted:
            raise errors.broken_off().error
        self._left -= len(data)
        metrics.received_bytes.note(((metrics.GET,), len(data)))
        return data

    def close(self) -> None:
        """Release the connection; close it first if unread bytes are left in it."""
        if self._left:
            self._answer.close()
        self._answer.release_conn()

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the reader."""
        self.close()
