"""Renews the leases of the jobs that this process runs."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from servicekit.database import DatabaseUnavailable
from wharf_upload.database.job_contract import JobRecords
from wharf_upload.domain.jobs import Turn, TurnLost

log = logging.getLogger(__name__)
# A lease is renewed when a third of it has passed, so two renewals may fail.
_PARTS = 3


class Held:
    """The lease of a turn that this process runs; implements `handlers.Fence`."""

    def __init__(self, turn: Turn, lease_seconds: float, clock: Callable[[], float]) -> None:
        self.turn, self.lease_seconds, self._clock = turn, lease_seconds, clock
        self._lost = False
        # The turn may have waited for long, so nothing is known of its lease until a renewal.
        self.renew_at = self._ends_at = clock()

    def renewed(self, at: float) -> None:
        """Note that the lease was renewed at a time of the clock, or later."""
        self.renew_at = at + self.lease_seconds / _PARTS
        self._ends_at = at + self.lease_seconds

    def lose(self) -> None:
        """Note that the turn is over."""
        self._lost = True

    def check(self) -> None:
        """Raise `TurnLost` if the turn is over, or the lease was not renewed in time."""
        if self._lost or self._clock() >= self._ends_at:
            raise TurnLost


class Renewals:
    """Renews the leases of running jobs in a background thread, from the first job on."""

    def __init__(self, records: JobRecords, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._records, self._clock = records, clock
        self._held: set[Held] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def hold(self, turn: Turn, lease_seconds: float) -> Iterator[Held]:
        """Renew the lease of a turn immediately, and then during the block.

        Raises `TurnLost` if the turn is over, and `DatabaseUnavailable`.
        """
        held = Held(turn, lease_seconds, self._clock)
        self._renew([held], lease_seconds)
        held.check()
        with self._changed:
            self._held.add(held)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="job-leases", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        try:
            yield held
        finally:
            with self._changed:
                self._held.discard(held)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._held)
                shortest = min(held.lease_seconds for held in self._held)
            try:
                self.renew_due()
            except DatabaseUnavailable as error:
                log.warning("leases of jobs cannot be renewed: %s", error)
            except Exception:
                # Without this thread, all long jobs of this process would lose their leases.
                log.exception("leases of jobs cannot be renewed")
            time.sleep(min(1.0, shortest / _PARTS / 4))

    def renew_due(self) -> None:
        """Renew the leases that are due; raises `DatabaseUnavailable`."""
        now = self._clock()
        due: dict[float, list[Held]] = defaultdict(list)
        with self._changed:
            for held in self._held:
                if now >= held.renew_at:
                    due[held.lease_seconds].append(held)
        for lease_seconds, group in due.items():
            self._renew(group, lease_seconds)

    def _renew(self, group: Sequence[Held], lease_seconds: float) -> None:
        # The time before the statement: the database extends the leases later than this.
        now = self._clock()
        renewed = self._records.renew([held.turn for held in group], lease_seconds)
        for held in group:
            if held.turn in renewed:
                held.renewed(now)
            else:
                held.lose()
