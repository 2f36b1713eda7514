"""Signed links: whoever has one reads a file, or the files of a folder, for a while."""

from __future__ import annotations

from datetime import datetime

import msgspec

from wharf_console.api.session import Session


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link; `url` is a path, or whole where contents have an origin of their own."""

    url: str
    expires_at: datetime


def make(session: Session, bucket: str, target: str, *, seconds: int, disposition: str) -> Link:
    """Return a link to the file of this key, or to a folder: a target that ends with `/`."""
    place = "key" if target and not target.endswith("/") else "prefix"
    wanted = {
        "bucket": bucket,
        place: target,
        "expires_in": seconds,
        "disposition": disposition,
    }
    return session.post("/v1/links", wanted, Link)


def revoke_all(session: Session) -> None:
    """Make every link void that the tenant has made so far."""
    session.send("POST", "/v1/links/rotate")
