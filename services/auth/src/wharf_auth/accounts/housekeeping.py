"""What has to be done when its time has come, and needs no process of its own: the feed is asked
for each second, and does it on the way.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from servicekit.database import DatabaseUnavailable
from wharf_auth.accounts import tenants
from wharf_auth.database.contract import Records
from wharf_auth.database.people_contract import People
from wharf_auth.database.tries_contract import LoginTries
from wharf_auth.domain.clock import Clock, milliseconds
from wharf_auth.domain.login_delays import FORGOTTEN_AFTER_MILLISECONDS

log = logging.getLogger(__name__)
EVERY_SECONDS, PRUNING_EVERY_SECONDS = 5.0, 60.0
# It looks at all rows.
LOGIN_PRUNING_EVERY_SECONDS = 600.0
#: More than one process verifies within the time that they are kept (ADR 65).
MOST_TRIES = 1_000_000
_DAY_MILLISECONDS = 24 * 3600 * 1000


class AuditPruning:
    """Removes lines of the audit log whose time is over, and the oldest of what is too many."""

    def __init__(self, records: Records, clock: Clock, days: int) -> None:
        self._records, self._clock, self._days = records, clock, days
        self._pruned_to, self._next_at = 0, float("-inf")

    def run(self) -> None:
        """Does it at most once in `PRUNING_EVERY_SECONDS`; the first time for all tenants."""
        now = self._clock()
        if now < self._next_at:
            return
        self._next_at = now + PRUNING_EVERY_SECONDS
        self._pruned_to = prune_audit(self._records, self._clock, self._days, self._pruned_to)


class LoginPruning:
    """Removes tries of secrets that are forgotten, and networks that are known no more."""

    def __init__(self, tries: LoginTries, people: People, clock: Clock) -> None:
        self._tries, self._people, self._clock = tries, people, clock
        self._next_at = float("-inf")

    def run(self) -> None:
        """Does it at most once in `LOGIN_PRUNING_EVERY_SECONDS`; a clock may be set back."""
        now = self._clock()
        if 0 < self._next_at - now <= LOGIN_PRUNING_EVERY_SECONDS:
            return
        self._next_at = now + LOGIN_PRUNING_EVERY_SECONDS
        at = milliseconds(self._clock)
        self._tries.prune(at - FORGOTTEN_AFTER_MILLISECONDS, MOST_TRIES)
        self._people.prune_login_networks(at)


def prune_audit(records: Records, clock: Clock, days: int, after: int = 0) -> int:
    """Removes what is too old or too much of the audit log; returns up to where that is done."""
    older_than = milliseconds(clock) - days * _DAY_MILLISECONDS
    return records.prune_audit(after=after, older_than=older_than)


class Housekeeping:
    """Purges deleted tenants, prunes the feed, and does what else it is given; now and then."""

    def __init__(self, records: Records, clock: Clock, *more: Callable[[], object]) -> None:
        self._records, self._clock, self._more = records, clock, more
        self._done_at = float("-inf")
        self._failure = ""
        self._lock = threading.Lock()

    def run(self) -> None:
        """Does what is due, at most once in `EVERY_SECONDS`. A failure is logged: it waits."""
        with self._lock:
            now = self._clock()
            if 0 <= now - self._done_at < EVERY_SECONDS:
                return
            self._done_at = now
        try:
            for name in tenants.purge_due(self._records, self._clock):
                log.info("the grace time of the tenant %s is over: purged", name)
            self._records.prune_feed(int(now))
            for do in self._more:
                do()
            self._failure = ""
        except (DatabaseUnavailable, OSError) as error:
            # A directory that cannot be written to says so once, not every few seconds.
            if str(error) != self._failure:
                log.error("housekeeping failed: %s", error)  # noqa: TRY400 -- one line
            self._failure = str(error)
