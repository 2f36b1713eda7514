"""Limits of connections and messages; this module does no input or output."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from enum import Enum

from servicekit.problems import RATE_LIMITED, UNAVAILABLE, ProblemError
from servicekit.tokens import Principal

# The connection ends after more refused messages than this. The count falls with time by the rate
# that is allowed.
MOST_REFUSED = 50
_RETRY_SECONDS = 10


class Verdict(Enum):
    """The decision about a message: take it, refuse it, or end the connection."""

    TAKE = "take"
    REFUSE = "refuse"
    CUT = "cut"


class MessageRate:
    """Limits the messages of one connection to `per_second`; a burst may have as many messages."""

    __slots__ = ("_clock", "_left", "_per_second", "_refused", "_seen_at")

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._left, self._refused, self._seen_at = float(per_second), 0.0, clock()

    def take(self) -> Verdict:
        """Count a message and return the decision.

        The decision is `CUT` for a client that continues although many messages were refused.
        """
        now = self._clock()
        gained = (now - self._seen_at) * self._per_second
        self._seen_at = now
        self._left = min(float(self._per_second), self._left + gained)
        self._refused = max(0.0, self._refused - gained)
        if self._left >= 1:
            self._left -= 1
            return Verdict.TAKE
        self._refused += 1
        return Verdict.CUT if self._refused > MOST_REFUSED else Verdict.REFUSE


def full() -> ProblemError:
    """Return the problem of a process that has reached its limit of connections."""
    return UNAVAILABLE(
        "The live channel has reached its limit of connections.",
        headers=(("Retry-After", str(_RETRY_SECONDS)),),
        retry_after=_RETRY_SECONDS,
    )


class Seats:
    """Counts the connections of this process, by subject and by tenant; each count has a limit."""

    def __init__(self, *, per_subject: int, per_tenant: int, total: int) -> None:
        self._limits = (per_subject, per_tenant)
        self.most = total
        self._taken: Counter[tuple[str, ...]] = Counter()
        self.total = 0

    def require_room(self) -> None:
        """Raise the problem `unavailable` if the process has reached its limit of connections."""
        if self.total >= self.most:
            raise full()

    def take(self, principal: Principal) -> None:
        """Count a connection.

        If a limit is reached, the method raises the problem `quota-exceeded` or `unavailable` and
        counts nothing.
        """
        self.require_room()
        names = ("live-connections-per-subject", "live-connections-per-tenant")
        for name, place, most in zip(names, _places(principal), self._limits, strict=True):
            if self._taken[place] >= most:
                raise RATE_LIMITED(
                    f"The limit of {most} live connections is reached.",
                    headers=(("Retry-After", str(_RETRY_SECONDS)),),
                    violated_policies=(name,),
                )
        self.total += 1
        self._taken.update(_places(principal))

    def give_back(self, principal: Principal) -> None:
        """Remove a connection from the counts."""
        self.total -= 1
        for place in _places(principal):
            self._taken[place] -= 1
            if not self._taken[place]:
                del self._taken[place]


def _places(principal: Principal) -> tuple[tuple[str, ...], ...]:
    return ((principal.tenant, principal.subject), (principal.tenant,))
