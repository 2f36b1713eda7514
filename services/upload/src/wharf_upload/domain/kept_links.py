"""Signed links that the records keep, so that they can be listed and ended one by one."""

from __future__ import annotations

import msgspec

from servicekit.reaches import Maker
from wharf_upload.domain.dispositions import Kind


class KeptLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link as its row has it; times in unix milliseconds.

    `target` is a key, or with `is_prefix` what keys begin with. `filename`: what the download is
    called; empty means as the file is. `tokens` are the ids of the token that it was made with and
    of that one's parents: the link ends with each of them.
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
    """Which links of a tenant are wanted; `None` is no condition.

    With a `key` those that show this key of the `bucket`: links to it, and to what it is below.
    """

    maker: str | None = None
    bucket: str | None = None
    key: str | None = None
