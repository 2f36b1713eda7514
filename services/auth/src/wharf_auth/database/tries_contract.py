"""The contract of the records of login tries: a row for each account and network (ADR 65).

The rows may be lost when the machine or the database server crashes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pair:
    """An account together with the network or the site of its tries.

    `account` is a digest of the account's name.
    """

    account: str
    network: str


@dataclass(frozen=True, slots=True)
class Failures:
    """The number of failures of a pair that are not forgotten.

    `last_at` is the time of the last failure in unix milliseconds.
    """

    number: int = 0
    last_at: int = 0


#: A function that raises an exception to refuse a try. A refused try is not counted.
Judge = Callable[[Failures], None]


@dataclass(frozen=True, slots=True)
class Crowding:
    """A limit: how many accounts of one network may have failures since a time.

    `since` is in unix milliseconds.
    """

    accounts: int
    since: int


class NetworkCrowded(Exception):
    """Too many accounts have failed from the network.

    As soon as the failure at `first_at` (unix milliseconds) is too old to count, another account
    may fail.
    """

    def __init__(self, first_at: int) -> None:
        super().__init__(f"too many accounts since {first_at}")
        self.first_at = first_at


class LoginTries(Protocol):
    """The records of login tries. Times are unix milliseconds.

    Every call may raise `servicekit.database.DatabaseUnavailable`.
    """

    def count(
        self, pair: Pair, now: int, judge: Judge, crowding: Crowding | None = None
    ) -> Failures:
        """Count a try as a failure before its secret is verified; return the earlier failures.

        Concurrent tries of one network wait for each other. Raise the exception of `judge`. Raise
        `NetworkCrowded` if the pair has no failure and the network already has as many failed
        accounts as `crowding` allows.
        """

    def take_back(self, pair: Pair, counted_at: int, before: Failures) -> None:
        """Undo the count of one try.

        `counted_at` is the argument `now`, and `before` the result, of the try's call of `count`.
        """

    def forget(self, pair: Pair) -> None:
        """Remove the failures of a pair after a try with the correct secret."""

    def networks_of(self, account: str, since: int, most: int) -> int:
        """Return the number of networks from which an account has failed after `since`.

        Sites do not count. The result is at most `most`.
        """

    def prune(self, forgotten_at: int, most: int) -> int:
        """Remove pairs without a failure since `forgotten_at`; return the number of removed pairs.

        If more than `most` pairs remain, also remove the pairs with the fewest failures. Pairs that
        have to wait have many failures, so an attacker cannot easily displace them.
        """
