"""How long the next try of a secret has to wait after failures (ADR 65)."""

from __future__ import annotations

from dataclasses import dataclass

#: After so long without a failure those before are forgotten.
FORGOTTEN_AFTER_MILLISECONDS = 4 * 3600 * 1000
#: The secret of a client cannot be guessed: its delay spares work, and need not be longer.
CLIENT_LONGEST_SECONDS = 60
#: All networks of a site have so many times the free failures of one of them.
SITE_FACTOR = 10
_FIRST_WAIT_SECONDS = 1
# Clocks of one installation differ by less.
_MOST_AHEAD_MILLISECONDS = 60_000


@dataclass(frozen=True, slots=True)
class LoginDelays:
    """Some failures are free; then the waits grow: 1 s, 2 s, 4 s …

    Args:
        free_failures: so many tries fail before the next one has to wait.
        longest_seconds: no wait is longer.
    """

    free_failures: int
    longest_seconds: int

    def waits(self, failures: int, failed_at: int, now: int) -> int:
        """Return the milliseconds until the next try, 0 for none; times are in milliseconds."""
        over = failures - self.free_failures
        # A failure far in the future is of a clock that was set back since: waiting for it could
        # take days. The next try is counted with the time of now.
        if over < 0 or failed_at > now + _MOST_AHEAD_MILLISECONDS:
            return 0
        longest = self.longest_seconds
        # The shift is bounded: numbers of any size would be made for nothing.
        seconds = min(longest, _FIRST_WAIT_SECONDS << min(over, longest.bit_length()))
        # A clock that is a bit behind makes no wait longer.
        return max(0, min(failed_at, now) + 1000 * seconds - now)


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """What an account has from a network, and what a network has.

    Args:
        delays: of a person.
        accounts_of_network: so many accounts may fail from one network within an hour.
    """

    delays: LoginDelays
    accounts_of_network: int

    @property
    def delays_of_site(self) -> LoginDelays:
        """Return what holds for a person in all networks of a site together."""
        return LoginDelays(SITE_FACTOR * self.delays.free_failures, self.delays.longest_seconds)

    def delays_of(self, *, person: bool) -> LoginDelays:
        """Return what holds for a person or a client."""
        if person:
            return self.delays
        longest = min(CLIENT_LONGEST_SECONDS, self.delays.longest_seconds)
        return LoginDelays(self.delays.free_failures, longest)
