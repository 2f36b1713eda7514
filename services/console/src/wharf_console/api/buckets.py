"""The tenant's buckets, and its use of the quota."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from wharf_console.api.pages import entries
from wharf_console.api.session import Session, address, decoded


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket and its policy.

    A limit that is `None` or empty limits nothing. Without `cors_origins`, scripts of other origins
    cannot use the files.
    """

    name: str
    public: bool
    max_file_bytes: int | None
    allowed_types: tuple[str, ...]
    allowed_extensions: tuple[str, ...]
    expire_after_seconds: int | None
    cors_origins: tuple[str, ...]
    created_at: datetime


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The policy of a bucket in a request.

    By default only callers with a permission read the files, no limit applies, and no other origin
    may use the files.
    """

    public: bool = False
    max_file_bytes: int | None = None
    allowed_types: tuple[str, ...] = ()
    allowed_extensions: tuple[str, ...] = ()
    expire_after_seconds: int | None = None
    cors_origins: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of the tenant; `None` means no limit."""

    max_bytes: int | None = None
    max_files: int | None = None
    max_file_bytes: int | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The stored bytes and files of the tenant, and its limits."""

    bytes: int
    files: int
    allowed: Limits


class Buckets(msgspec.Struct, frozen=True, kw_only=True):
    """A page of buckets; `next_cursor` requests the next page, `None` is the end."""

    buckets: tuple[Bucket, ...]
    next_cursor: str | None = None


def listed(session: Session, *, cursor: str = "", limit: int = 100) -> Buckets:
    """Return a page of the tenant's buckets, in the order of their names."""
    return session.get("/v1/buckets", Buckets, cursor=cursor, limit=limit)


def names(session: Session, *, at_most: int) -> list[str]:
    """Return the names of the tenant's first buckets, in their order, up to `at_most` names."""

    def page(cursor: str, limit: int) -> tuple[Sequence[Bucket], str | None]:
        found = listed(session, cursor=cursor, limit=limit)
        return found.buckets, found.next_cursor

    return [bucket.name for bucket in entries(page, at_most)]


def read(session: Session, name: str) -> Bucket:
    """Return a bucket; raises the problem `not-found`."""
    return session.get(address("v1", "buckets", name), Bucket)


def put(session: Session, name: str, policy: Policy) -> Bucket:
    """Make a bucket, or replace the whole policy of an existing one; return the bucket."""
    return decoded(session.send("PUT", address("v1", "buckets", name), body=policy), Bucket)


def delete(session: Session, name: str) -> None:
    """Delete an empty bucket; raises the problems `not-found` and `bucket-not-empty`."""
    session.send("DELETE", address("v1", "buckets", name))


def usage(session: Session) -> Usage:
    """Return the tenant's use and limits."""
    return session.get("/v1/usage", Usage)
