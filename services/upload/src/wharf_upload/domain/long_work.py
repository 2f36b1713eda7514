"""Long work: work that must not run in the threads that answer requests (ADR 62)."""

from __future__ import annotations

BRIEF_BYTES = 8 << 20
"""A smaller body is not long work on a disk: it is hashed in some 40 ms, even without SHA
instructions."""
BRIEF_FILES = 8
"""A form with more files is long work: each file is synced, so it waits for the disk too often."""
BRIEF_PARTS = 32
"""A form with more parts is long work: parsing the header fields of a part may take 0.6 ms."""


class TakesLong(Exception):
    """The rest of a request is long work: another process handles the whole request in its turn."""


class LongWorkRule:
    """Tells which bodies are long work.

    `sends_bytes` says that the store sends bytes over a network to an object store.
    """

    def __init__(self, *, sends_bytes: bool) -> None:
        self._sends_bytes = sends_bytes

    def takes_long(self, size_bytes: int) -> bool:
        """Tell whether storing a body of this size (hashing, syncing, sending) is long work."""
        return self._sends_bytes or size_bytes >= BRIEF_BYTES
