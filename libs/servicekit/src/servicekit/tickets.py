"""The claim of upload tickets, which narrows a token: auth writes it, and upload enforces it.

The claim is in this package because auth and upload share the format of tokens.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Method = Literal["PUT", "POST"]
CLAIM = "ticket"
_Limit = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Ticket(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The claim `ticket` of an access token: it never allows more than the token.

    Exactly one of `key` and `prefix` is set; the prefix "" is the whole bucket. `None` and empty
    values add no rule to the rules of the bucket. `redirect` are the addresses that a response to a
    form may redirect to. An unknown member is an error: a misspelled or newer rule would otherwise
    not narrow the token.

    A ticket for a prefix never replaces a file. A ticket for a key may replace its file, unless
    `create_only` is set. Auth sets `create_only` when it narrows a ticket for a prefix to a key,
    since the narrower ticket must not allow more.
    """

    bucket: str
    key: str | None = None
    prefix: str | None = None
    methods: tuple[Method, ...] = ("PUT", "POST")
    max_file_bytes: _Limit | None = None
    allowed_types: tuple[str, ...] = ()
    max_files: _Limit | None = None
    redirect: tuple[str, ...] = ()
    create_only: bool = False
