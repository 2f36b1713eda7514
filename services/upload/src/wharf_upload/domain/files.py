"""Files, as the records store them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec


class FileAddress(msgspec.Struct, frozen=True):
    """The address of a file in its tenant."""

    bucket: str
    key: str


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file, as the records store it. `sha256` is in hexadecimal digits; times are unix ms.

    `active` is true if the bytes contain code that a browser could run after it guessed another
    type; such a file is shown inline only if it is plain text (`active_content.py`). `utf8` is
    false only for a text that may not be valid UTF-8.
    """

    id: str
    tenant: str
    bucket: str
    key: str
    blob: str
    size: int
    sha256: str
    media_type: str
    declared_type: str | None
    filename: str
    owner: str
    state: str = "available"
    metadata: dict[str, str] = {}
    created_at: int
    expires_at: int | None = None
    active: bool = False
    utf8: bool = True

    def is_expired(self, now_milliseconds: int) -> bool:
        """Tell whether the file has expired; from that moment on, clients no longer see it."""
        return self.expires_at is not None and self.expires_at <= now_milliseconds

    @property
    def address(self) -> FileAddress:
        """Return the file's address."""
        return FileAddress(self.bucket, self.key)

    @property
    def listed_bytes(self) -> int:
        """Return the approximate size of the parts of a list entry that the file's owner chooses.

        The key counts four times, because the entry's links repeat it.
        """
        noted = sum(len(name) + len(value) for name, value in self.metadata.items())
        return 4 * len(self.key) + noted

    @property
    def etag(self) -> str:
        """Return the strong entity tag (RFC 9110 section 8.8.3): the digest of the content."""
        return f'"{self.sha256}"'


# Takes a file and returns the changed file.
Edit = Callable[[File], File]


class Page(msgspec.Struct, frozen=True):
    """A page of a listing; the next page starts after `next_after`, `None` on the last page."""

    files: tuple[File, ...]
    prefixes: tuple[str, ...]
    next_after: str | None


class PendingDeletion(msgspec.Struct, frozen=True):
    """A blob of a file that was deleted or replaced at `deleted_at` (unix milliseconds)."""

    tenant: str
    blob: str
    deleted_at: int


class BlobContent(NamedTuple):
    """The expected content of a blob: size in bytes, and SHA-256 in hexadecimal digits."""

    size: int
    sha256: str
