"""Signed links that have a row, so that people can list them and end them one by one."""

from __future__ import annotations

import msgspec

from servicekit.reaches import Maker
from wharf_upload.domain.dispositions import Kind


class KeptLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link, as its row stores it; times are in unix milliseconds.

    `target` is a key or, with `is_prefix`, a prefix of keys. `filename` is the name of the
    download; if it is empty, the download has the file's name. `tokens` are the ids of the token
    that made the link and of that token's parents; the link ends when one of them is revoked.
    """

    tenant: str
    id: str
    bucket: str
    target: str
    is_prefix: bool
    disposition: Kind
    filename: str
    maker: Maker
    tokens: tuple[str, ...]
    created_at: int
    expires_at: int


class LinkFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A filter for the links of a tenant; `None` is no condition.

    With a `key`, only the links that show this key of the `bucket` match: links to the key itself,
    and links to the folders that contain it.
    """

    maker: str | None = None
    bucket: str | None = None
    key: str | None = None
