"""Leases that exclude other replicas, renewed while they are held (`lease_rows.py` has the rows).

A background thread renews the leases of the process, and notifies a holder when another process
wants its lease. The leases of a killed process expire after `LEASE_SECONDS`. A process that was
frozen or cut off from the database for this time must check `SqlSharedLease.is_held` before an
irreversible step.
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
# How soon a holder learns that its lease is wanted, and how often all leases are renewed.
POLL_SECONDS, RENEW_SECONDS = 0.5, 2.0


class SqlSharedLease:
    """A lease of this process; the holder must call `release`."""

    def __init__(
        self,
        leases: SqlSharedLeases,
        name: str,
        taken: Taken,
        valid_until: float,
        wanted: Callable[[], None],
    ) -> None:
        self.name, self.turn, self.valid_until = name, taken.turn, valid_until
        # True if another process held the lease last, or may have held it.
        self.was_elsewhere = taken.previous != leases.holder
        self._leases, self._wanted, self._told = leases, wanted, False

    def tell(self) -> None:
        """Notify the holder once that another process wants the lease, or has taken it."""
        if not self._told:
            self._told = True
            self._wanted()

    def is_held(self) -> bool:
        """Tell whether this process still holds the lease.

        Raises `DatabaseUnavailable` if the database is needed and does not respond.
        """
        return self._leases.is_held(self)

    def release(self) -> None:
        """Release the lease.

        While the database is unavailable, the lease expires a little later.
        """
        self._leases.release(self)


class SqlSharedLeases:
    """The shared leases that this process holds. Each serving process has one instance.

    At any time, only one thread of a process may take a lease of a given name.
    """

    def __init__(
        self,
        database: Database,
        instance: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # A restarted process counts as a different holder.
        self.holder = f"{instance}/{uuid4().hex}"
        self._rows, self._clock = LeaseRows(database, self.holder), clock
        self._held: dict[str, SqlSharedLease] = {}
        self._taking: set[str] = set()
        self._changed = threading.Condition()
        self._keeper: threading.Thread | None = None

    def take(
        self, name: str, wanted: Callable[[], None], *, ask: bool = True
    ) -> SqlSharedLease | None:
        """Take the lease and return it; return `None` while another process holds it.

        With `ask`, the call asks the other process to release the lease. A background thread calls
        `wanted` when another process wants the lease.
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
        """Release a lease; a second call has no effect."""
        with self._changed:
            if self._held.get(lease.name) is not lease:
                return
            del self._held[lease.name]
        try:
            self._rows.release(lease.name, lease.turn)
        except DatabaseUnavailable as error:
            # The background thread finds the row and releases it, or the lease expires.
            log.warning("a lease cannot be released: %s", error)

    def is_held(self, lease: SqlSharedLease) -> bool:
        """Tell whether this process still holds the lease; see `SqlSharedLease`."""
        now = self._clock()
        if now < lease.valid_until:
            return True
        if not self._rows.renew(lease.name, lease.turn):
            return False
        lease.valid_until = now + LEASE_SECONDS
        return True

    def holds(self, name: str) -> bool:
        """Tell whether this process holds the lease, as far as it knows."""
        return name in self._held

    def forget_old(self) -> int:
        """Delete the rows of leases that ended long ago; return how many were deleted."""
        return self._rows.forget()

    # ---- the background thread ----

    def _begin_keeping(self) -> None:
        """Start the background thread with the first lease.

        A thread that starts earlier would not survive a fork of the process.
        """
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
                # The thread must continue: without it, this process would lose all its leases.
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
                lease.valid_until = 0.0  # The lease is lost; the next `is_held` asks the database.
                lease.tell()
            elif row.wanted:
                lease.tell()
        for row in rows.values():
            self._give_back(row)

    def _give_back(self, row: Held) -> None:
        """Release the lease of a row, unless a thread of this process uses the lease.

        Such a row is left when the release of a lease failed, or the response to taking the lease
        was lost.
        """
        with self._changed:
            if row.name in self._held or row.name in self._taking:
                return
        self._rows.release(row.name, row.turn)
