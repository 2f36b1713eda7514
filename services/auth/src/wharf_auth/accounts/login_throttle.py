"""The throttle of login tries, for each pair of account and network (ADR 65).

After failed logins of an account from a network, the next login from this network has to wait.

Unlike the rate limits this throttle fails closed: while it cannot count tries, it refuses logins
(reliability.md). There is one exception: while the disk is full, clients may log in.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from servicekit.database import DatabaseUnavailable, OutOfSpace
from servicekit.limit_counts import refusals
from servicekit.networks import network_of, site_of
from servicekit.problems import RATE_LIMITED, ProblemError
from wharf_auth.accounts.clients import LoginRefused
from wharf_auth.database.people_contract import LoginNetworks
from wharf_auth.database.tries_contract import (
    Crowding,
    Failures,
    Judge,
    LoginTries,
    NetworkCrowded,
    Pair,
)
from wharf_auth.domain import users
from wharf_auth.domain.clock import Clock, milliseconds
from wharf_auth.domain.login_delays import LoginDelays, LoginLimits

log = logging.getLogger(__name__)
#: Names of the limits in refusals and metrics.
ACCOUNT_POLICY, NETWORK_POLICY = "login-account", "login-network"
_CROWDED_MILLISECONDS = 3600 * 1000
_FAILED = "Too many failed logins of this account from this network."
_CROWDED = "Logins of too many accounts have failed from this network."
_DIGEST_BYTES = 12
#: The name of a tenant and the folded name of a person together have at most this length. Folding
#: can make a name longer.
MAX_NAME_CHARACTERS = 4 * users.MAX_USERNAME_CHARACTERS


class LoginsUncountable(Exception):
    """The failures of the account cannot be counted, so its login is refused."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a login try; the account need not exist."""

    name: str
    tenant: str | None = None

    @staticmethod
    def client(identifier: str) -> Account:
        """Return the account of a client."""
        return Account(identifier)

    @staticmethod
    def person(tenant: str, username: str) -> Account:
        """Return the account of a person."""
        return Account(users.folded(username), tenant)

    @property
    def may_exist(self) -> bool:
        """Tell whether a query may contain the name: it has no NUL and is not too long.

        PostgreSQL refuses NUL in a text.
        """
        text = f"{self.tenant or ''}{self.name}"
        return "\0" not in text and len(text) <= MAX_NAME_CHARACTERS

    @property
    def digest(self) -> str:
        """Return a digest of the account's name and tenant for the records.

        Name and tenant come from the request: the texts may be long, have any characters, or be a
        secret.
        """
        kind = "client" if self.tenant is None else f"person\0{self.tenant}"
        text = f"{kind}\0{self.name}".encode(errors="surrogatepass")
        found = hashlib.blake2b(text, digest_size=_DIGEST_BYTES).digest()
        return base64.urlsafe_b64encode(found).decode()


@dataclass(frozen=True, slots=True)
class _Counted:
    """A counted try, with the earlier failures of its account in its network."""

    pair: Pair
    at: int
    before: Failures


class _Waits(Exception):
    """The next try has to wait."""

    def __init__(self, milliseconds_left: int) -> None:
        super().__init__(milliseconds_left)
        self.milliseconds = milliseconds_left


class LoginThrottle:
    """The throttle: it counts each try before the secret is verified."""

    def __init__(
        self, tries: LoginTries, known: LoginNetworks, clock: Clock, limits: LoginLimits
    ) -> None:
        self._tries, self._known, self._clock, self._limits = tries, known, clock, limits

    @contextmanager
    def trying(self, account: Account, address: str, *, proven: bool = False) -> Iterator[None]:
        """Count a try as a failure, then run the block, which verifies the secret of the try.

        The block raises `LoginRefused` if the secret is wrong. Without an exception the failures of
        the account in this network are forgotten. Any other exception means that the secret was
        correct or was not verified; then the try is taken back. `proven` tells that a token has
        already shown that the account exists, so the limit of accounts in the network does not
        apply.

        Raise the problem `quota-exceeded` if the account or its network has to wait. Raise
        `LoginsUncountable` if the try cannot be counted, except for clients on a full disk.
        """
        now = milliseconds(self._clock)
        try:
            counted = self._count(account, network_of(address), now, proven=proven)
        except DatabaseUnavailable as error:
            log.warning("failed logins cannot be counted: %s", error)
            if account.tenant is not None or not isinstance(error, OutOfSpace):
                raise LoginsUncountable from None
            # No attacker can guess a client's secret, and on a full disk clients must be able to
            # log in: they can delete files.
            counted = []
        try:
            yield
        except LoginRefused:
            raise
        except BaseException:
            self._take_back(counted)
            raise
        self._succeeded(counted)

    def _count(self, account: Account, network: str, now: int, *, proven: bool) -> list[_Counted]:
        pair = Pair(account.digest, network)
        try:
            before = self._count_pair(account, pair, now, proven=proven)
        except _Waits as waits:
            raise _refusal(ACCOUNT_POLICY, _FAILED, waits.milliseconds) from None
        counted = [_Counted(pair, now, before)]
        site = site_of(network)
        if account.tenant is None or site is None:
            return counted
        try:
            counted.append(self._count_site(account, pair, site, now))
        except BaseException:
            self._take_back(counted)
            raise
        return counted

    def _count_pair(self, account: Account, pair: Pair, now: int, *, proven: bool) -> Failures:
        judge = _judge(self._limits.delays_of(person=account.tenant is not None), now)
        if account.tenant is None or proven:
            return self._tries.count(pair, now, judge)
        crowding = Crowding(self._limits.accounts_of_network, now - _CROWDED_MILLISECONDS)
        try:
            return self._tries.count(pair, now, judge, crowding)
        except NetworkCrowded as crowded:
            # The query runs outside the transaction, since a process has few connections.
            if pair.network not in self._networks_of(account, now):
                left = crowded.first_at + _CROWDED_MILLISECONDS - now
                raise _refusal(NETWORK_POLICY, _CROWDED, left) from None
        return self._tries.count(pair, now, judge)

    def _count_site(self, account: Account, pair: Pair, site: str, now: int) -> _Counted:
        """Count a try for the site of its network.

        A person who has logged in from this site before need not wait: a provider may have many
        other customers in the site.
        """
        of_site = Pair(pair.account, site)
        try:
            before = self._tries.count(of_site, now, _judge(self._limits.delays_of_site, now))
        except _Waits as waits:
            if site not in map(site_of, self._networks_of(account, now)):
                raise _refusal(ACCOUNT_POLICY, _FAILED, waits.milliseconds) from None
            before = self._tries.count(of_site, now, lambda _: None)
        return _Counted(of_site, now, before)

    def _networks_of(self, account: Account, now: int) -> frozenset[str]:
        if not account.may_exist:
            return frozenset()
        return self._known.login_networks(account.tenant or "", account.name, now)

    def _take_back(self, counted: list[_Counted]) -> None:
        try:
            for one in counted:
                self._tries.take_back(one.pair, one.at, one.before)
        except DatabaseUnavailable as error:
            log.warning("a login try that was not verified still counts as failed: %s", error)

    def _succeeded(self, counted: list[_Counted]) -> None:
        try:
            for own in counted[:1]:
                self._tries.forget(own.pair)
        except DatabaseUnavailable as error:
            log.warning("the failed logins before a successful login still count: %s", error)
        self._take_back(counted[1:])


def _judge(delays: LoginDelays, now: int) -> Judge:
    def judge(failures: Failures) -> None:
        if waits := delays.waits(failures.number, failures.last_at, now):
            raise _Waits(waits)

    return judge


def _refusal(policy: str, what: str, milliseconds_left: int) -> ProblemError:
    refusals.note(((policy,), 1))
    seconds = max(1, math.ceil(milliseconds_left / 1000))
    unit = "second" if seconds == 1 else "seconds"
    return RATE_LIMITED(
        f"{what} Try again in {seconds} {unit}.",
        headers=(("Retry-After", str(seconds)),),
        retry_after=seconds,
        violated_policies=[policy],
    )
