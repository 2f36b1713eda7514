"""The files of a bucket."""

from __future__ import annotations

from datetime import datetime

import msgspec

from wharf_console.api.session import Session, address


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file; `size` is in bytes, `sha256` in hexadecimal digits."""

    id: str
    bucket: str
    key: str
    filename: str
    size: int
    sha256: str
    media_type: str
    declared_type: str | None
    etag: str
    state: str
    metadata: dict[str, str]
    created_at: datetime
    expires_at: datetime | None

    @property
    def name(self) -> str:
        """The part of the key behind the last slash."""
        return self.key.rpartition("/")[2]


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a bucket: files, and the folders beside them; `next_cursor` gets the next page."""

    files: tuple[File, ...]
    prefixes: tuple[str, ...]
    next_cursor: str | None


def listed(
    session: Session,
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str = "/",
    cursor: str = "",
    limit: int = 100,
) -> Listing:
    """Return a page of the files whose keys begin with the prefix, by key."""
    return session.get(
        address("v1", "files", bucket),
        Listing,
        prefix=prefix,
        delimiter=delimiter,
        cursor=cursor,
        limit=limit,
    )


def delete(session: Session, bucket: str, key: str, *, if_match: str = "") -> None:
    """Delete a file; with `if_match`, only where it is still this one (its ETag)."""
    fields = {"If-Match": if_match} if if_match else {}
    session.send("DELETE", address("v1", "files", bucket, key=key), fields=fields)
