"""Room that a body under way has for itself: bytes, files and inodes (ADR 59)."""

from __future__ import annotations

import msgspec


class Needed(msgspec.Struct, frozen=True, kw_only=True):
    """What a body may need until it is stored or refused.

    `disk_bytes` is what it may take of the disk, `quota_bytes` of the tenant's quota: a form lies
    on the disk twice for a moment. `files` counts against quota and ticket, `inodes` are those of
    the disk. `ticket` is the id of the upload ticket that it comes by, or empty.
    """

    tenant: str
    disk_bytes: int
    quota_bytes: int
    files: int = 1
    inodes: int = 1
    ticket: str = ""


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """What is reserved, by an id of our own, up to a time in unix milliseconds.

    It ends with its request. One that nobody ends, because the gateway died, lapses.
    """

    id: str
    needed: Needed
    until: int
