"""The reservation of a body under way: bytes, files and inodes (ADR 59)."""

from __future__ import annotations

import msgspec

LAPSES_MILLISECONDS = 3_600_000
# The time for each MiB of a body: a slow connection transfers a MiB in a second.
LAPSES_MILLISECONDS_PER_MIB = 1000


class Needed(msgspec.Struct, frozen=True, kw_only=True):
    """The room that a body may need until it is stored or refused.

    `disk_bytes` is the room on the disk, `quota_bytes` the room in the tenant's quota. The two may
    differ: a form, for example, is on the disk twice for a moment. `files` counts against the quota
    and the ticket, `inodes` against the disk.
    """

    disk_bytes: int
    quota_bytes: int
    files: int = 1
    inodes: int = 1


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation, with an id that this service chose.

    The reservation ends with its request. If the gateway crashed and no process ends the
    reservation, it expires at `until` (unix milliseconds).
    """

    id: str
    until: int


class Reserved(msgspec.Struct, kw_only=True):
    """The sums of the reservations on this disk, of a tenant, and of one of the tenant's tickets.

    `bodies` is the number of bodies under way on this disk. `own_disk_bytes` are the tenant's
    reserved bytes on this disk. `written_bytes` and `written_inodes` are the bytes and inodes that
    the bodies on this disk already occupy; the numbers may be too small, but never too large.
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
        """Return how many more bytes the bodies under way will occupy on this disk."""
        return max(0, self.disk_bytes - self.written_bytes)

    @property
    def outstanding_inodes(self) -> int:
        """Return how many more inodes the bodies under way will occupy on this disk."""
        return max(0, self.inodes - self.written_inodes)


def lapses_at(now: int, disk_bytes: int) -> int:
    """Return when the reservation expires if no process ends it; both times are in unix ms."""
    return now + LAPSES_MILLISECONDS + LAPSES_MILLISECONDS_PER_MIB * (disk_bytes >> 20)
