"""The files of a bucket."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from wharf_console.api.session import Session, address, decoded

#: The action for an existing file: refuse the move, add a number to the new name, or replace it.
OnConflict = Literal["error", "rename", "replace"]


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
        """Return the part of the key after the last slash."""
        return self.key.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """Return the part of the key up to and with the last slash."""
        return self.key[: self.key.rfind("/") + 1]


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a bucket: files and folders; `next_cursor` requests the next, `None` is the end."""

    files: tuple[File, ...]
    prefixes: tuple[str, ...]
    next_cursor: str | None


class Place(msgspec.Struct, frozen=True):
    """The present or future address of a file."""

    bucket: str
    key: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of a file: `UNSET` changes nothing; with `expires_at=None` it never expires."""

    filename: str | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    expires_at: datetime | UnsetType | None = UNSET


class _Move(msgspec.Struct, frozen=True, kw_only=True):
    source: Place = msgspec.field(name="from")
    to: Place
    on_conflict: OnConflict
    move: bool = True


def listed(
    session: Session,
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str = "/",
    cursor: str = "",
    limit: int = 100,
) -> Listing:
    """Return a page of the files with keys that begin with the prefix, in the order of the keys.

    Files whose keys contain the delimiter after the prefix appear only as a folder.
    """
    return session.get(
        address("v1", "files", bucket),
        Listing,
        prefix=prefix,
        delimiter=delimiter,
        cursor=cursor,
        limit=limit,
    )


def read(session: Session, bucket: str, key: str) -> File:
    """Return the description of a file; raises the problem `not-found`."""
    return session.get(address("v1", "metadata", bucket, key=key), File)


def change(session: Session, bucket: str, key: str, wanted: Change, *, if_match: str = "") -> File:
    """Change a file and return it.

    With `if_match` (an ETag), the API refuses the change if the file has another ETag.
    """
    target = address("v1", "metadata", bucket, key=key)
    answer = session.send("PATCH", target, body=wanted, fields=_condition(if_match))
    return decoded(answer, File)


def move(
    session: Session,
    source: Place,
    to: Place,
    *,
    on_conflict: OnConflict = "error",
    if_match: str = "",
) -> File:
    """Move a file and return it.

    With `on_conflict="error"`, raises `key-taken` when a file exists at the new address.
    """
    body = _Move(source=source, to=to, on_conflict=on_conflict)
    answer = session.send("POST", "/v1/copies", body=body, fields=_condition(if_match))
    return decoded(answer, File)


def delete(session: Session, bucket: str, key: str, *, if_match: str = "") -> None:
    """Delete a file; with `if_match`, the API refuses if the file has another ETag."""
    target = address("v1", "files", bucket, key=key)
    session.send("DELETE", target, fields=_condition(if_match))


def _condition(if_match: str) -> dict[str, str]:
    return {"If-Match": if_match} if if_match else {}
