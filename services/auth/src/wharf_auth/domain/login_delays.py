"""The delays of login tries after failures (ADR 65)."""

from __future__ import annotations

from dataclasses import dataclass

#: After this time without a failure, the earlier failures are forgotten.
FORGOTTEN_AFTER_MILLISECONDS = 4 * 3600 * 1000
#: No attacker can guess the secret of a client. Its delay only saves work, so it can be short.
CLIENT_LONGEST_SECONDS = 60
#: A site allows this many times the free failures of one of its networks.
SITE_FACTOR = 10
_FIRST_WAIT_SECONDS = 1
# The clocks of the machines of one installation differ by less.
_MOST_AHEAD_MILLISECONDS = 60_000


@dataclass(frozen=True, slots=True)
class LoginDelays:
    """The rule for the wait after a failure: none after the first ones, then 1 s, 2 s, 4 s …

    Args:
        free_failures: the number of failures before the next try has to wait.
        longest_seconds: the longest wait.
    """

    free_failures: int
    longest_seconds: int

    def waits(self, failures: int, failed_at: int, now: int) -> int:
        """Return the milliseconds until the next try may come, 0 for no wait.

        `failed_at` and `now` are in unix milliseconds.
        """
        over = failures - self.free_failures
        # A failure far in the future comes from a clock that was set back later. A wait until that
        # time could take days, so there is no wait. The next try is counted with the current time.
        if over < 0 or failed_at > now + _MOST_AHEAD_MILLISECONDS:
            return 0
        longest = self.longest_seconds
        # The bound on the shift avoids needlessly large numbers.
        seconds = min(longest, _FIRST_WAIT_SECONDS << min(over, longest.bit_length()))
        # A clock that is slightly behind must not make the wait longer.
        return max(0, min(failed_at, now) + 1000 * seconds - now)


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """The limits of login tries for an account in a network, and for a network.

    Args:
        delays: the delays of a person.
        accounts_of_network: the most accounts that may fail from one network within an hour.
    """

    delays: LoginDelays
    accounts_of_network: int

    @property
    def delays_of_site(self) -> LoginDelays:
        """Return the delays of a person for all networks of a site together."""
        return LoginDelays(SITE_FACTOR * self.delays.free_failures, self.delays.longest_seconds)

    def delays_of(self, *, person: bool) -> LoginDelays:
        """Return the delays of a person or a client."""
        if person:
            return self.delays
        longest = min(CLIENT_LONGEST_SECONDS, self.delays.longest_seconds)
        return LoginDelays(self.delays.free_failures, longest)
