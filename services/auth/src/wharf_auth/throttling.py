"""Failed logins are limited, by account and address, before their secret costs 15 ms to verify.

Unlike the other limits these fail closed: while nothing can be counted, nobody logs in
(reliability.md). That is why their storage is not the guarded one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter

from servicekit.networks import network_of
from servicekit.ratelimits.guarded import open_storage
from servicekit.ratelimits.limiting import refusal

_NAMESPACE = "wharf-login"


class LoginThrottle:
    """Counts failures in fixed windows of a minute; of a person, in windows of an hour as well.

    The secrets of clients cannot be guessed, so that a client is limited by address only: nobody
    can lock it out from elsewhere. Passwords can: many addresses together have a limit too.

    Raises whatever the storage raises when it is down.
    """

    def __init__(self, url: str, *, per_client: int, per_address: int, per_person: int) -> None:
        self._client = RateLimitItemPerMinute(per_client, namespace=_NAMESPACE)
        self._address = RateLimitItemPerMinute(per_address, namespace=_NAMESPACE)
        self._person = RateLimitItemPerHour(per_person, namespace=_NAMESPACE)
        self._url = url
        self._strategy: FixedWindowRateLimiter

    def open(self) -> None:
        """Opens the storage; commands do not need it, and have no cache of uWSGI's."""
        self._strategy = FixedWindowRateLimiter(open_storage(self._url))

    def check(self, client: str, address: str, *, person: bool = False) -> None:
        """Raises the problem `quota-exceeded` when there were too many failures."""
        strategy = self._strategy
        for name, item, key in self._counters(client, address, person=person):
            if not strategy.test(item, key, name):
                reset = strategy.get_window_stats(item, key, name).reset_time
                problem = refusal(name, item, reset)
                seconds = problem.members["retry_after"]
                problem.detail = f"Too many failed logins. Try again in {seconds} seconds."
                raise problem

    def failed(self, client: str, address: str, *, person: bool = False) -> None:
        """Counts one failure."""
        for name, item, key in self._counters(client, address, person=person):
            self._strategy.hit(item, key, name)

    def _counters(
        self, client: str, address: str, *, person: bool
    ) -> Iterator[tuple[str, RateLimitItem, str]]:
        network = network_of(address)
        # Hashed, since a client's id may be of any length and content: it is not verified yet.
        yield "login-client", self._client, _digest(f"{network} {client}")
        if person:
            yield "login-person", self._person, _digest(client)
        yield "login-address", self._address, network


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
