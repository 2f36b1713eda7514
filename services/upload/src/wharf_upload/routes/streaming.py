"""Content that this process sends itself, instead of the gateway."""

from __future__ import annotations

import threading
from typing import BinaryIO

from servicekit.web import unavailable

_BLOCK_BYTES = 1 << 18
# A slow reader must not hold the threads that others need: one at a time in a process.
_turn = threading.Lock()


class StreamedContent:
    """A file as WSGI's iterable of blocks; the server calls `close` in the end (PEP 3333)."""

    def __init__(self, content: BinaryIO) -> None:
        self._content: BinaryIO | None = content

    def __iter__(self) -> StreamedContent:
        return self

    def __next__(self) -> bytes:
        block = self._content.read(_BLOCK_BYTES) if self._content else b""
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """Gives the turn back; further calls do nothing."""
        if self._content is not None:
            self._content.close()
            self._content = None
            _turn.release()


def take_turn() -> None:
    """Raises the problem `unavailable` when another content is being sent."""
    if not _turn.acquire(blocking=False):
        raise unavailable(
            "Another conditional download is under way; try again, or without If-Match."
        )


def give_turn_back() -> None:
    """For a turn that led to no content."""
    _turn.release()
