"""The contract of what is reserved for bodies under way.

One implementation serves both databases. What it keeps may be lost with the power: after that
nothing is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from wharf_upload.domain.reservation import Needed, Reservation, Reserved

Judge = Callable[[Reserved], Needed]


class Outstanding(NamedTuple):
    """What bodies under way will still take of one disk."""

    disk_bytes: int
    inodes: int


class Reservations(Protocol):
    """Keeps what is reserved. All methods raise `DatabaseUnavailable`."""

    def reserve(self, tenant: str, ticket: str, judge: Judge) -> Reservation:
        """Reserve what `judge` says, and return it; without a ticket `ticket` is empty.

        `judge` hears what is reserved already, and raises to refuse. Those that reserve take turns:
        what `judge` hears holds until its answer is reserved.
        """

    def end(self, ids: Iterable[str]) -> int:
        """Give back what is reserved; return how many there were. Unknown ids have no effect."""

    def outstanding(self) -> Outstanding:
        """Return what bodies under way will still take of this disk."""
