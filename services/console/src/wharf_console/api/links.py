"""Signed links: whoever has one reads a file, or the files of a folder, for a while."""

from __future__ import annotations

from datetime import datetime

import msgspec

from wharf_console.api.problems import ApiProblem
from wharf_console.api.session import Session, address

# Longer ones are always listed.
_UNLISTED_SECONDS = 300


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link; `url` is a path, or whole where contents have an origin of their own.

    One that is not listed has no `id`, and none has at a release before.
    """

    url: str
    expires_at: datetime
    id: str | None = None


class KeptLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link that somebody has made, to a file (`key`) or to a folder (`prefix`).

    `maker` is a user or a client; while it may not read what the link shows, the `state` is
    `suspended`, else `active`. The API tells nobody the address of a link that is made already.
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
        """What it shows, in its bucket."""
        return self.key if self.key is not None else self.prefix or ""


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """A page of links, newest first; `next_cursor` gets the next page, `None` at the end."""

    links: tuple[KeptLink, ...]
    next_cursor: str | None = None


def make(session: Session, bucket: str, target: str, *, seconds: int, disposition: str) -> Link:
    """Return a link to the file of this key, or to a folder: a target that ends with `/`."""
    return session.post("/v1/links", _wanted(bucket, target, seconds, disposition), Link)


def make_for_a_page(
    session: Session, bucket: str, target: str, *, seconds: int, disposition: str
) -> Link:
    """Return a link as `make` does, which is in no list where it is good for a moment only."""
    wanted = _wanted(bucket, target, seconds, disposition)
    if seconds > _UNLISTED_SECONDS:
        return session.post("/v1/links", wanted, Link)
    try:
        return session.post("/v1/links", {**wanted, "listed": False}, Link)
    except ApiProblem as problem:
        # During an update a release before may answer, which does not know the member.
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
    """Return a page: the person's own links, and for administrators those of all.

    Of one `bucket`, of those that show its `key`, or of one `maker`.
    """
    return session.get(
        "/v1/links", Links, bucket=bucket, key=key, maker=maker, cursor=cursor, limit=limit
    )


def end(session: Session, link: str) -> None:
    """End a link; raises the problem `not-found` where it has ended, or is not the person's."""
    session.send("DELETE", address("v1", "links", link))


def revoke_all(session: Session) -> None:
    """Make every link void that the tenant has made so far."""
    session.send("POST", "/v1/links/rotate")
