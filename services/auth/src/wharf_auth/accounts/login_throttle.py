"""Tries of secrets are counted by account and network, and have to wait after failures (ADR 65).

Unlike the limits of requests this fails closed: while nothing can be counted, nobody logs in
(reliability.md).
"""

from __future__ import annotations

import base64
import hashlib
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from servicekit.database import DatabaseUnavailable
from servicekit.limit_counts import refusals
from servicekit.networks import network_of
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
from wharf_auth.domain.login_delays import LoginLimits

log = logging.getLogger(__name__)
#: Names of the limits in refusals and metrics.
ACCOUNT_POLICY, NETWORK_POLICY = "login-account", "login-network"
_CROWDED_MILLISECONDS = 3600 * 1000
_DIGEST_BYTES = 12
#: More than the names of a tenant and a person, since folding can make a name longer.
MAX_NAME_CHARACTERS = 4 * users.MAX_USERNAME_CHARACTERS


class LoginsUncountable(Exception):
    """Nobody can say how often the account has failed: it is not let in."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a secret is tried for, whether it is there or not."""

    name: str
    tenant: str | None = None

    @staticmethod
    def client(identifier: str) -> Account:
        """A client."""
        return Account(identifier)

    @staticmethod
    def person(tenant: str, username: str) -> Account:
        """A person."""
        return Account(users.folded(username), tenant)

    @property
    def may_exist(self) -> bool:
        """Whether a database may be asked for the name: PostgreSQL takes no NUL in a text."""
        text = f"{self.tenant or ''}{self.name}"
        return "\0" not in text and len(text) <= MAX_NAME_CHARACTERS

    @property
    def digest(self) -> str:
        """What is kept of the name: it may be of any length and content, or be a secret."""
        kind = "client" if self.tenant is None else f"person\0{self.tenant}"
        text = f"{kind}\0{self.name}".encode(errors="surrogatepass")
        found = hashlib.blake2b(text, digest_size=_DIGEST_BYTES).digest()
        return base64.urlsafe_b64encode(found).decode()


class LoginThrottle:
    """Lets tries through, one by one."""

    def __init__(
        self, tries: LoginTries, known: LoginNetworks, clock: Clock, limits: LoginLimits
    ) -> None:
        self._tries, self._known, self._clock, self._limits = tries, known, clock, limits

    @contextmanager
    def trying(self, account: Account, address: str, *, proven: bool = False) -> Iterator[None]:
        """Count a try while the block verifies its secret.

        The block raises `LoginRefused` where the secret is wrong. Any other exception says that it
        was not verified, or was right: then the try is taken back. `proven`: the account has shown
        in another way that it is there, so that no limit of the network holds.

        Raises the problem `quota-exceeded` where the account has to wait, `LoginsUncountable`.
        """
        pair, now = Pair(account.digest, network_of(address)), milliseconds(self._clock)
        try:
            before = self._count(account, pair, now, proven=proven)
        except DatabaseUnavailable as error:
            log.warning("failed logins cannot be counted: %s", error)
            raise LoginsUncountable from None
        try:
            yield
        except LoginRefused:
            raise
        except BaseException:
            self._take_back(pair, now, before)
            raise
        self._forget(pair)

    def _count(self, account: Account, pair: Pair, now: int, *, proven: bool) -> Failures:
        judge = self._judge(account, now)
        if account.tenant is None or proven:
            return self._tries.count(pair, now, judge)
        crowding = Crowding(self._limits.accounts_of_network, now - _CROWDED_MILLISECONDS)
        try:
            return self._tries.count(pair, now, judge, crowding)
        except NetworkCrowded as crowded:
            # Asked outside of the transaction: a process has few connections.
            if not self._is_known(account, pair.network, now):
                raise _refusal(
                    NETWORK_POLICY,
                    "Logins of too many accounts have failed from this network.",
                    crowded.first_at + _CROWDED_MILLISECONDS - now,
                ) from None
        return self._tries.count(pair, now, judge)

    def _is_known(self, account: Account, network: str, now: int) -> bool:
        tenant = account.tenant or ""
        return account.may_exist and self._known.logs_in_from(tenant, account.name, network, now)

    def _judge(self, account: Account, now: int) -> Judge:
        delays = self._limits.delays_of(person=account.tenant is not None)

        def judge(failures: Failures) -> None:
            if waits := delays.waits(failures.number, failures.last_at, now):
                raise _refusal(
                    ACCOUNT_POLICY, "Too many failed logins of this account from here.", waits
                )

        return judge

    def _take_back(self, pair: Pair, counted_at: int, before: Failures) -> None:
        try:
            self._tries.take_back(pair, counted_at, before)
        except DatabaseUnavailable as error:
            log.warning("a login that was not verified counts as failed: %s", error)

    def _forget(self, pair: Pair) -> None:
        try:
            self._tries.forget(pair)
        except DatabaseUnavailable as error:
            log.warning("failed logins before one that succeeded still count: %s", error)


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
