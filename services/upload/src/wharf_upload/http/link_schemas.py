"""The JSON documents of signed links."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from wharf_upload.catalog.links import SeenLink
from wharf_upload.http.schemas import moment


class LinkDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A signed link.

    `url` is a path on this host, or a full URL if user content has its own origin. For a link to a
    prefix, append the rest of the key, percent-encoded. `id` is null if the link is not listed.
    """

    id: str | None
    url: str
    expires_at: datetime


class ListedLink(msgspec.Struct, frozen=True, kw_only=True):
    """A signed link to `key`, or to all keys that begin with `prefix`.

    The URL of the link was returned only once, at its creation. `filename` is the name of the
    download; if it is null, the download has the file's name. `maker` is the user or client that
    made the link. The link is `suspended` while its maker may not read the key, or may not read all
    keys below the prefix; it shows only files that the maker may read.
    """

    id: str
    bucket: str
    key: str | None
    prefix: str | None
    disposition: Literal["inline", "attachment"]
    filename: str | None
    maker: str
    state: Literal["active", "suspended"]
    created_at: datetime
    expires_at: datetime


class LinkPage(msgspec.Struct, frozen=True):
    """A page of links; `next_cursor` returns the next page and is null on the last one."""

    links: tuple[ListedLink, ...]
    next_cursor: str | None


def of_link(seen: SeenLink) -> ListedLink:
    """Return the JSON document of a link."""
    link = seen.link
    return ListedLink(
        id=link.id,
        bucket=link.bucket,
        key=None if link.is_prefix else link.target,
        prefix=link.target if link.is_prefix else None,
        disposition=link.disposition,
        filename=link.filename or None,
        maker=link.maker.subject,
        state="active" if seen.may_read else "suspended",
        created_at=moment(link.created_at),
        expires_at=moment(link.expires_at),
    )
