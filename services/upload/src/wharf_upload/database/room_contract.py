"""The contract of what is reserved for bodies under way.

One implementation serves both databases. What it keeps may be lost with the power: after that
nothing is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from wharf_upload.domain.reservation import Needed, Reservation, Reserved

Judge = Callable[[Reserved], Needed]


class Reservations(Protocol):
    """Keeps what is reserved. All methods raise `DatabaseUnavailable`."""

    def reserve(
        self, tenant: str, ticket: str, judge: Judge, *, streamed: bool = False
    ) -> Reservation:
        """Reserve what `judge` says, and return it; without a ticket `ticket` is empty.

        `streamed`: a process of this machine takes the body, and the gateway knows no reservation.
        `judge` hears what is reserved already, and raises to refuse. Those that reserve take turns:
        what `judge` hears holds until its answer is reserved.
        """

    def end(self, ids: Iterable[str]) -> int:
        """Give back what is reserved; return how many there were. Unknown ids have no effect."""

    def reserved(self) -> Reserved:
        """Return what is reserved on this disk, by all."""

    def oldest(self) -> float | None:
        """Return when the oldest body of this gateway was admitted, in unix seconds."""

    def note_written(self, disk_bytes: int, inodes: int) -> None:
        """Note how much of the bodies of this gateway is on the disk by now.

        It holds for some seconds, and less of it with each reservation that ends meanwhile. One
        process of each gateway calls this, again and again.
        """

    def lapse(self) -> int:
        """End the reservations whose time is over; return how many.

        Also those of a gateway at whose files nobody has looked for ten minutes.
        """

    def clear(self, *, streamed: bool, before: float | None = None) -> int:
        """End the reservations of this gateway's bodies, which are gone; return how many.

        `streamed`: only those that a process took which has just started. `before`: only those
        that were admitted before this time, in unix seconds.
        """
