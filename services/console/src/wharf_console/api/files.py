"""The files of a bucket."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from wharf_console.api.session import Session, address, decoded

#: What happens where there is a file already: nothing, a number in the new name, or it is replaced.
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
        """The part of the key behind the last slash."""
        return self.key.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The part of the key up to the last slash."""
        return self.key[: self.key.rfind("/") + 1]


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a bucket: files, and the folders beside them; `next_cursor` gets the next page."""

    files: tuple[File, ...]
    prefixes: tuple[str, ...]
    next_cursor: str | None


class Place(msgspec.Struct, frozen=True):
    """Where a file is, or will be."""

    bucket: str
    key: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a file; what is left out stays. `expires_at` `None`: never."""

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
    """Return a page of the files whose keys begin with the prefix, by key."""
    return session.get(
        address("v1", "files", bucket),
        Listing,
        prefix=prefix,
        delimiter=delimiter,
        cursor=cursor,
        limit=limit,
    )


def read(session: Session, bucket: str, key: str) -> File:
    """Return what is known of a file; raises the problem `not-found`."""
    return session.get(address("v1", "metadata", bucket, key=key), File)


def change(session: Session, bucket: str, key: str, wanted: Change, *, if_match: str = "") -> File:
    """Return the file after a change; with `if_match`, only where it is still this one."""
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
    """Return the file at its new address; raises `key-taken` where another one is there."""
    body = _Move(source=source, to=to, on_conflict=on_conflict)
    answer = session.send("POST", "/v1/copies", body=body, fields=_condition(if_match))
    return decoded(answer, File)


def delete(session: Session, bucket: str, key: str, *, if_match: str = "") -> None:
    """Delete a file; with `if_match`, only where it is still this one (its ETag)."""
    target = address("v1", "files", bucket, key=key)
    session.send("DELETE", target, fields=_condition(if_match))


def _condition(if_match: str) -> dict[str, str]:
    return {"If-Match": if_match} if if_match else {}
