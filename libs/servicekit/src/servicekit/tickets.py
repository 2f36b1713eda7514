"""Upload tickets: what a narrowed token allows. `auth` writes this claim, `upload` enforces it.

It stands here because it is part of the token's format, which is all that the services share.
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
    """The claim `ticket` of an access token: it only ever narrows what the token could do.

    Exactly one of `key` and `prefix` is set; the prefix "" is the whole bucket. `None` and empty
    mean no narrower rule than the bucket's own. `redirect` holds the addresses that a form may
    be sent on to. A member that nobody knows is an error: a rule that is misspelled, or newer than
    its reader, would not narrow anything.

    A ticket for a prefix never replaces a file, one for a key does, unless `create_only`: it is set
    when a ticket for a prefix was narrowed to a key, which must not gain a power by that.
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
