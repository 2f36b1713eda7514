"""Work that takes long, and is done outside the threads that answer requests (ADR 62)."""

from __future__ import annotations

BRIEF_BYTES = 8 << 20
"""Smaller bodies are hashed where they are: in some 40 ms even without instructions for it."""
BRIEF_FILES = 8
"""A form with more files waits for the disk too often; each of them is synced."""
BRIEF_PARTS = 32
"""A form with more fields and files is parsed elsewhere: each may have 0.6 ms of header fields."""


class TakesLong(Exception):
    """The rest of a request takes long: it waits for its turn elsewhere, and begins anew there."""


class LongWorkRule:
    """Tells which bodies take long; `sends_bytes`: they go to an object store, over a network."""

    def __init__(self, *, sends_bytes: bool) -> None:
        self._sends_bytes = sends_bytes

    def takes_long(self, size_bytes: int) -> bool:
        """Tell whether storing a body of this size takes long: hashing, syncing, or sending it."""
        return self._sends_bytes or size_bytes >= BRIEF_BYTES
