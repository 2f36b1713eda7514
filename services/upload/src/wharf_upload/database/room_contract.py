"""The contract of the reservations for bodies under way.

One implementation serves both databases. A power failure may lose the reservations, because no body
is under way after a power failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from wharf_upload.domain.reservation import Needed, Reservation, Reserved

Judge = Callable[[Reserved], Needed]


class Reservations(Protocol):
    """Stores reservations. All methods raise `DatabaseUnavailable`."""

    def reserve(
        self, tenant: str, ticket: str, judge: Judge, *, streamed: bool = False
    ) -> Reservation:
        """Reserve the amounts that `judge` returns, and return the reservation.

        `ticket` is empty for a body without a ticket. `streamed` says that the stream server
        receives the body; then the gateway does not know the reservation. `judge` receives the
        current reservations and raises an error to refuse the body. Calls run one after the other,
        so the reservations do not change until the result of `judge` is reserved.
        """

    def end(self, ids: Iterable[str]) -> int:
        """End reservations; return how many existed. Unknown ids have no effect."""

    def reserved(self) -> Reserved:
        """Return the sum of all reservations on this disk."""

    def oldest(self) -> float | None:
        """Return when the oldest body of this gateway was admitted, in unix seconds, or `None`."""

    def note_written(self, disk_bytes: int, inodes: int) -> None:
        """Store how much of this gateway's bodies is on the disk now.

        The value is valid for some seconds; each reservation that ends in this time reduces it. One
        process of each gateway calls this method repeatedly.
        """

    def lapse(self) -> int:
        """End the reservations that have expired; return how many ended.

        Also end the old reservations of a gateway if no process has checked its files for ten
        minutes.
        """

    def clear(self, *, streamed: bool, before: float | None = None) -> int:
        """End the reservations of this gateway's bodies, which no longer exist.

        Return how many ended. With `streamed`, end only the reservations of the stream server,
        which has just started. With `before`, end only the reservations of bodies that were
        admitted before this time, in unix seconds.
        """
