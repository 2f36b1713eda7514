"""Signed links: a link gives access to a file, or to the files of a folder, until it expires."""

from __future__ import annotations

from datetime import datetime

import msgspec

from wharf_console.api.problems import ApiProblem
from wharf_console.api.session import Session, address

# The longest validity of a link that is not listed.
_UNLISTED_SECONDS = 300


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A new link; `url` is a path, or a whole URL when links have a separate origin.

    A link that is not listed has no `id`. Earlier releases send no `id`.
    """

    url: str
    expires_at: datetime
    id: str | None = None


class KeptLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link in the list, to a file (`key`) or to a folder (`prefix`).

    `maker` is the id of a person or client. The `state` is `suspended` while the maker may not read
    the file or folder, else `active`. The API shows the address of a link only when it is made.
    """

    id: str
    bucket: str
    key: str | None
    prefix: str | None
    maker: str
    state: str
    created_at: datetime
    expires_at: datetime

    @property
    def target(self) -> str:
        """Return the key or prefix."""
        return self.key if self.key is not None else self.prefix or ""


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """A page of links, newest first; `next_cursor` requests the next page, `None` is the end."""

    links: tuple[KeptLink, ...]
    next_cursor: str | None = None


def make(session: Session, bucket: str, target: str, *, seconds: int, disposition: str) -> Link:
    """Make a link and return it.

    The target is the key of a file, a folder that ends with `/`, or empty for the whole bucket.
    """
    return session.post("/v1/links", _wanted(bucket, target, seconds, disposition), Link)


def make_for_a_page(
    session: Session, bucket: str, target: str, *, seconds: int, disposition: str
) -> Link:
    """Make a link for a page of the console and return it.

    The API does not list a link that is valid for at most 300 seconds, except during an update,
    when an earlier release responds.
    """
    wanted = _wanted(bucket, target, seconds, disposition)
    if seconds > _UNLISTED_SECONDS:
        return session.post("/v1/links", wanted, Link)
    try:
        return session.post("/v1/links", {**wanted, "listed": False}, Link)
    except ApiProblem as problem:
        # During an update an earlier release may respond, which does not know the member `listed`.
        if problem.status not in {400, 422}:
            raise
        return session.post("/v1/links", wanted, Link)


def _wanted(bucket: str, target: str, seconds: int, disposition: str) -> dict[str, str | int]:
    place = "key" if target and not target.endswith("/") else "prefix"
    return {"bucket": bucket, place: target, "expires_in": seconds, "disposition": disposition}


def listed(
    session: Session,
    *,
    bucket: str = "",
    key: str = "",
    maker: str = "",
    cursor: str = "",
    limit: int = 100,
) -> Links:
    """Return a page of the person's own links; for owners, of all links.

    `bucket`, `key` (in the bucket) and `maker` filter the links.
    """
    return session.get(
        "/v1/links", Links, bucket=bucket, key=key, maker=maker, cursor=cursor, limit=limit
    )


def end(session: Session, link: str) -> None:
    """End a link; raises `not-found` if it has ended or the person may not see it."""
    session.send("DELETE", address("v1", "links", link))


def revoke_all(session: Session) -> None:
    """End every link that was made in the tenant so far."""
    session.send("POST", "/v1/links/rotate")
