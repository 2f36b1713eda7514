"""Periodic work of auth: it purges deleted tenants, and prunes the feed, tries and the audit log.

`bootstrap.py` adds the removal of retired signing keys. The work needs no separate process:
services that follow the feed request it every second, and the feed's route runs the work that is
due.
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
# Pruning login tries reads all their rows, so it runs less often than other work.
LOGIN_PRUNING_EVERY_SECONDS = 600.0
#: The most stored pairs of account and network. One process cannot verify so many secrets in the
#: time for which tries are stored (ADR 65).
MOST_TRIES = 1_000_000
_DAY_MILLISECONDS = 24 * 3600 * 1000


class AuditPruning:
    """The periodic pruning of the audit log: it removes entries that are too old or too many."""

    def __init__(self, records: Records, clock: Clock, days: int) -> None:
        self._records, self._clock, self._days = records, clock, days
        self._pruned_to, self._next_at = 0, float("-inf")

    def run(self) -> None:
        """Prune at most once in `PRUNING_EVERY_SECONDS`.

        The first run counts the entries of all tenants. A later run counts only the entries of
        tenants that have new entries.
        """
        now = self._clock()
        if now < self._next_at:
            return
        self._next_at = now + PRUNING_EVERY_SECONDS
        self._pruned_to = prune_audit(self._records, self._clock, self._days, self._pruned_to)


class LoginPruning:
    """The periodic removal of login tries and of networks that no longer count."""

    def __init__(self, tries: LoginTries, people: People, clock: Clock) -> None:
        self._tries, self._people, self._clock = tries, people, clock
        self._next_at = float("-inf")

    def run(self) -> None:
        """Prune at most once in `LOGIN_PRUNING_EVERY_SECONDS`.

        If the clock was set back to a time before the last run, the next call prunes immediately.
        """
        now = self._clock()
        if 0 < self._next_at - now <= LOGIN_PRUNING_EVERY_SECONDS:
            return
        self._next_at = now + LOGIN_PRUNING_EVERY_SECONDS
        at = milliseconds(self._clock)
        self._tries.prune(at - FORGOTTEN_AFTER_MILLISECONDS, MOST_TRIES)
        self._people.prune_login_networks(at)


def prune_audit(records: Records, clock: Clock, days: int, after: int = 0) -> int:
    """Remove old entries of the audit log; return the argument `after` for the next call.

    These are the entries that are older than `days`, and the oldest entries of each tenant that has
    more entries than its limit.
    """
    older_than = milliseconds(clock) - days * _DAY_MILLISECONDS
    return records.prune_audit(after=after, older_than=older_than)


class Housekeeping:
    """The periodic work: purge deleted tenants, prune the feed, and call the functions `more`."""

    def __init__(self, records: Records, clock: Clock, *more: Callable[[], object]) -> None:
        self._records, self._clock, self._more = records, clock, more
        self._done_at = float("-inf")
        self._failure = ""
        self._lock = threading.Lock()

    def run(self) -> None:
        """Do the work that is due, at most once in `EVERY_SECONDS`.

        A failure of the database or of a file is logged; the next run tries again.
        """
        with self._lock:
            now = self._clock()
            if 0 <= now - self._done_at < EVERY_SECONDS:
                return
            self._done_at = now
        try:
            for name in tenants.purge_due(self._records, self._clock):
                log.info("purged the tenant %s: its grace period is over", name)
            self._records.prune_feed(int(now))
            for do in self._more:
                do()
            self._failure = ""
        except (DatabaseUnavailable, OSError) as error:
            # A lasting failure, for instance a directory without write permission, is logged once.
            if str(error) != self._failure:
                log.error("housekeeping failed: %s", error)  # noqa: TRY400 -- one line
            self._failure = str(error)
