"""Leases over all replicas, kept alive while they are held (`lease_rows.py` has the rows).

One thread of a process renews what its other threads hold, and tells them when another process
wants it. What a killed process held is free after `LEASE_SECONDS`. A process that was frozen for so
long, or cut off from the database, asks before it does what cannot be undone
(`SqlSharedLease.is_held`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from uuid import uuid4

from servicekit.database import Database, DatabaseUnavailable
from wharf_upload.database.lease_rows import LEASE_SECONDS, Held, LeaseRows, Taken

log = logging.getLogger(__name__)
# How soon a holder learns that it is wanted, and how often all is renewed.
POLL_SECONDS, RENEW_SECONDS = 0.5, 2.0


class SqlSharedLease:
    """A lease of this process; `release` it."""

    def __init__(
        self,
        leases: SqlSharedLeases,
        name: str,
        taken: Taken,
        valid_until: float,
        wanted: Callable[[], None],
    ) -> None:
        self.name, self.turn, self.valid_until = name, taken.turn, valid_until
        # Whether another process had it last, or may have.
        self.was_elsewhere = taken.previous != leases.holder
        self._leases, self._wanted, self._told = leases, wanted, False

    def tell(self) -> None:
        """Say once that another process wants it, or has it by now."""
        if not self._told:
            self._told = True
            self._wanted()

    def is_held(self) -> bool:
        """Tell whether it still is this process's; raises `DatabaseUnavailable` if unknown."""
        return self._leases.is_held(self)

    def release(self) -> None:
        """End it; without the database it ends by itself a little later."""
        self._leases.release(self)


class SqlSharedLeases:
    """The shared leases that this process holds. One for each process that serves.

    Of the threads of a process only one at a time asks for a name.
    """

    def __init__(
        self,
        database: Database,
        instance: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # A process that was started again is somebody else.
        self.holder = f"{instance}/{uuid4().hex}"
        self._rows, self._clock = LeaseRows(database, self.holder), clock
        self._held: dict[str, SqlSharedLease] = {}
        self._taking: set[str] = set()
        self._changed = threading.Condition()
        self._keeper: threading.Thread | None = None

    def take(
        self, name: str, wanted: Callable[[], None], *, ask: bool = True
    ) -> SqlSharedLease | None:
        """Return the lease, or `None` while another process has it; `ask` that one to let go.

        `wanted` is called, in another thread, when somebody else wants it.
        """
        with self._changed:
            self._taking.add(name)
        try:
            valid_until = self._clock() + LEASE_SECONDS
            taken = self._rows.take(name, ask=ask)
            if taken is None:
                return None
            lease = SqlSharedLease(self, name, taken, valid_until, wanted)
            with self._changed:
                self._held[name] = lease
                self._begin_keeping()
                self._changed.notify_all()
            return lease
        finally:
            with self._changed:
                self._taking.discard(name)

    def release(self, lease: SqlSharedLease) -> None:
        """End a lease; again without effect."""
        with self._changed:
            if self._held.get(lease.name) is not lease:
                return
            del self._held[lease.name]
        try:
            self._rows.release(lease.name, lease.turn)
        except DatabaseUnavailable as error:
            # The keeper finds the row, or the lease ends by itself.
            log.warning("a lease cannot be given back: %s", error)

    def is_held(self, lease: SqlSharedLease) -> bool:
        """See `SqlSharedLease`."""
        now = self._clock()
        if now < lease.valid_until:
            return True
        if not self._rows.renew(lease.name, lease.turn):
            return False
        lease.valid_until = now + LEASE_SECONDS
        return True

    def holds(self, name: str) -> bool:
        """Tell whether this process has it, as far as it knows."""
        return name in self._held

    def forget_old(self) -> int:
        """Drop rows of leases that ended long ago; return how many."""
        return self._rows.forget()

    # ---- the keeper ----

    def _begin_keeping(self) -> None:
        """Start the thread with the first lease: the process may fork after this was made."""
        if self._keeper is None:
            self._keeper = threading.Thread(target=self._keep, name="lease-keeper", daemon=True)
            self._keeper.start()

    def _keep(self) -> None:
        renew_at = self._clock()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._held)
            try:
                if self._clock() >= renew_at:
                    self._renew()
                    renew_at = self._clock() + RENEW_SECONDS
                self._look()
            except DatabaseUnavailable as error:
                log.warning("leases cannot be renewed: %s", error)
            except Exception:
                # The thread has to go on: without it every lease would be lost.
                log.exception("leases cannot be renewed")
            time.sleep(POLL_SECONDS)

    def _renew(self) -> None:
        with self._changed:
            before = list(self._held.values())
        valid_until = self._clock() + LEASE_SECONDS
        renewed = self._rows.renew_all()
        for lease in before:
            if (lease.name, lease.turn) in renewed:
                lease.valid_until = valid_until

    def _look(self) -> None:
        with self._changed:
            before = dict(self._held)
        rows = {row.name: row for row in self._rows.held()}
        for name, lease in before.items():
            row = rows.get(name)
            if row is None or row.turn != lease.turn:
                lease.valid_until = 0.0  # lost: the next question says so
                lease.tell()
            elif row.wanted:
                lease.tell()
        for row in rows.values():
            self._give_back(row)

    def _give_back(self, row: Held) -> None:
        """Release a row that no thread knows of: a release, or the answer to a taking, was lost."""
        with self._changed:
            if row.name in self._held or row.name in self._taking:
                return
        self._rows.release(row.name, row.turn)
