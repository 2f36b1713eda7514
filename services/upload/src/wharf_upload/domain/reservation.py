"""Room that a body under way has for itself: bytes, files and inodes (ADR 59)."""

from __future__ import annotations

import msgspec

LAPSES_MILLISECONDS = 3_600_000
# A slow link brings a MiB a second.
LAPSES_MILLISECONDS_PER_MIB = 1000


class Needed(msgspec.Struct, frozen=True, kw_only=True):
    """The room that a body may need until it is stored or refused.

    `disk_bytes` is what it may take of the disk, `quota_bytes` of the tenant's quota: a form lies
    on the disk twice for a moment. `files` counts against quota and ticket, `inodes` are those of
    the disk.
    """

    disk_bytes: int
    quota_bytes: int
    files: int = 1
    inodes: int = 1


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation with an id of our own, up to a time in unix milliseconds.

    It ends with its request. One that nobody ends, because the gateway died, lapses.
    """

    id: str
    until: int


class Reserved(msgspec.Struct, kw_only=True):
    """The room that is reserved already: on this disk, by a tenant, and by one of its tickets.

    `bodies` is how many are under way on this disk, `own_disk_bytes` are the tenant's on this disk.
    `written_bytes` and `written_inodes` are what the bodies on this disk have taken of it by now:
    never more than they have.
    """

    bodies: int = 0
    disk_bytes: int = 0
    inodes: int = 0
    written_bytes: int = 0
    written_inodes: int = 0
    own_disk_bytes: int = 0
    quota_bytes: int = 0
    files: int = 0
    ticket_quota_bytes: int = 0
    ticket_files: int = 0
    ticket_bodies: int = 0

    @property
    def outstanding_bytes(self) -> int:
        """The bytes that will be taken of what is free on this disk."""
        return max(0, self.disk_bytes - self.written_bytes)

    @property
    def outstanding_inodes(self) -> int:
        """The inodes that will be taken of those that are free on this disk."""
        return max(0, self.inodes - self.written_inodes)


def lapses_at(now: int, disk_bytes: int) -> int:
    """Return when a reservation that nobody ends is over; both times in unix milliseconds."""
    return now + LAPSES_MILLISECONDS + LAPSES_MILLISECONDS_PER_MIB * (disk_bytes >> 20)
