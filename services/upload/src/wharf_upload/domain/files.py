"""Files as the records keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec


class FileAddress(msgspec.Struct, frozen=True):
    """Where a tenant's file is."""

    bucket: str
    key: str


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it stands in the records. `sha256` is in hexadecimal digits.

    `active`: the bytes hold what could act if a browser took them for another type, so they are
    never shown inline (`active_content.py`). `utf8`: where the bytes are text, they are known to be
    UTF-8.
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
        """Tell whether the file's time is over: from that moment on it does not exist."""
        return self.expires_at is not None and self.expires_at <= now_milliseconds

    @property
    def address(self) -> FileAddress:
        """Where it is."""
        return FileAddress(self.bucket, self.key)

    @property
    def listed_bytes(self) -> int:
        """About how much it takes in a list: what its owner chose; links repeat the key."""
        noted = sum(len(name) + len(value) for name, value in self.metadata.items())
        return 4 * len(self.key) + noted

    @property
    def etag(self) -> str:
        """The strong entity tag (RFC 9110 section 8.8.3): the content's digest."""
        return f'"{self.sha256}"'


# What a change makes of a file.
Edit = Callable[[File], File]


class Page(msgspec.Struct, frozen=True):
    """A page of a listing; `next_after` is where the next one starts, `None` at the end."""

    files: tuple[File, ...]
    prefixes: tuple[str, ...]
    next_after: str | None


class PendingDeletion(msgspec.Struct, frozen=True):
    """A blob whose file was deleted or replaced at `deleted_at`."""

    tenant: str
    blob: str
    deleted_at: int


class BlobContent(NamedTuple):
    """What a blob has to hold: its size in bytes, and its SHA-256 in hexadecimal digits."""

    size: int
    sha256: str
