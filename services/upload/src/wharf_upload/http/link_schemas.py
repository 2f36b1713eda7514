"""The JSON of signed links."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from wharf_upload.catalog.links import SeenLink
from wharf_upload.http.schemas import moment


class LinkDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A signed link. `url` is a path on this host, or whole where user content has its own origin.

    To a link to a prefix, append the rest of the key, percent-encoded. `id` is null where the link
    is not listed.
    """

    id: str | None
    url: str
    expires_at: datetime


class ListedLink(msgspec.Struct, frozen=True, kw_only=True):
    """A signed link to `key`, or to keys that begin with `prefix`; its address was shown once.

    `filename` is what the download is called, null: as the file is. `maker` is the user or client
    that made it. It is `suspended` while its maker may not read the key, or all that is below the
    prefix: it shows nothing but what the maker may read.
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
    """A page of links; `next_cursor` gets the next one, null at the end."""

    links: tuple[ListedLink, ...]
    next_cursor: str | None


def of_link(seen: SeenLink) -> ListedLink:
    """A link's JSON."""
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
