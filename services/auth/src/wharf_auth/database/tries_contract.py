"""What is kept of tries of secrets: a row for each account and network (ADR 65).

It may be lost when the machine or the database server crashes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pair:
    """An account, as a digest of its name, from a network."""

    account: str
    network: str


@dataclass(frozen=True, slots=True)
class Failures:
    """The failures of a pair that are not forgotten, and the last one in unix milliseconds."""

    number: int = 0
    last_at: int = 0


#: Raises what refuses a try: nothing is counted then.
Judge = Callable[[Failures], None]


@dataclass(frozen=True, slots=True)
class Crowding:
    """How many accounts may fail from a network since a moment in unix milliseconds."""

    accounts: int
    since: int


class NetworkCrowded(Exception):
    """Too many accounts have failed from the network; `first_at` is when the oldest of them did."""

    def __init__(self, first_at: int) -> None:
        super().__init__(f"too many accounts since {first_at}")
        self.first_at = first_at


class LoginTries(Protocol):
    """Times are unix milliseconds. All raise `servicekit.database.DatabaseUnavailable`."""

    def count(
        self, pair: Pair, now: int, judge: Judge, crowding: Crowding | None = None
    ) -> Failures:
        """Count a try as a failure before its secret is verified; return what was there before.

        Tries of one network take turns. Raises what `judge` raises. Raises `NetworkCrowded` where
        the pair has no failure and the network has as many accounts as `crowding` allows.
        """

    def take_back(self, pair: Pair, counted_at: int, before: Failures) -> None:
        """Undo the count of a try that was not verified."""

    def forget(self, pair: Pair) -> None:
        """Remove the failures of a pair: it has proven itself."""

    def networks_of(self, account: str, since: int, most: int) -> int:
        """Return from how many networks an account has failed, `most` at the most."""

    def prune(self, forgotten_at: int, most: int) -> int:
        """Remove pairs whose last failure is older, and the least of more than `most` pairs.

        Those with the fewest failures go first: a pair that waits is the last that others can push
        out. Return how many were removed.
        """
