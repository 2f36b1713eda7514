"""The feed of revocations: what `auth` publishes and `upload` follows in the background."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["token", "session", "subject", "tenant"]
State = Literal["revoked", "suspended", "active", "deleted", "purged"]


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the feed; of two about the same thing the later one (`seq`) holds.

    `id` is the `jti` of a token, the `sid` of a session, the `sub` of a client or user, and empty
    for a whole tenant. `until` (unix seconds) is when nobody needs the entry any more, since what
    it revokes has expired by itself; `None`: for ever. `at` is in unix milliseconds.

    Tokens and sessions are `revoked`; subjects `revoked` or `active` again; tenants `suspended`,
    `active`, `deleted` (in its grace time: refused, and kept), `purged` (everything is to go).
    """

    seq: int
    kind: Kind
    tenant: str
    id: str = ""
    state: State
    until: int | None = None
    at: int


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the feed: the entries after the number that was asked for, in order.

    `latest` is the newest number there is; when it is smaller than what the follower knows, the
    feed began anew, and the follower reads it from 0.
    """

    entries: tuple[Revocation, ...]
    latest: int
