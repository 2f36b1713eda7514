"""Deletes the oldest events or ended uploads of a tenant that has too many of them.

No request counts all rows of a tenant. Each process counts the rows that it adds. Each time it has
added a hundredth of the limit, the process checks all rows of the tenant in a background thread.
Several processes may each exceed the limit by one hundredth.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from servicekit.database import Connection, Database, DatabaseUnavailable
from wharf_upload.database.retention import ROWS_A_TIME

log = logging.getLogger(__name__)
_PARTS = 100
# Deletes a tenant's oldest rows until at most a number are left; returns how many were deleted.
Drop = Callable[[Database, str, int], int]


class Surplus:
    """Deletes the oldest rows of a kind when a tenant has more than `most`."""

    def __init__(self, database: Database, most: int | None, drop: Drop) -> None:
        self._database, self._most, self._drop = database, most, drop
        self._part = max(1, (most or 0) // _PARTS)
        self._added: dict[str, int] = {}

    def note(self, tenant: str, count: int = 1) -> None:
        """Count added rows; never raises or waits."""
        if self._most is None:
            return
        # Concurrent threads may overwrite the count of another thread; then the check runs a little
        # later.
        added = self._added.get(tenant, 0) + count
        if added < self._part:
            self._added[tenant] = added
            return
        self._added.pop(tenant, None)
        threading.Thread(target=self._look, args=(tenant,), daemon=True).start()

    def trim(self, tenant: str) -> int:
        """Delete the rows of a tenant that exceed the limit; return how many were deleted."""
        return 0 if self._most is None else self._drop(self._database, tenant, self._most)

    def _look(self, tenant: str) -> None:
        try:
            self.trim(tenant)
        except DatabaseUnavailable as error:
            # The next hundredth triggers another check, and for events the worker checks all
            # tenants each hour.
            log.warning("the oldest rows of a tenant cannot be dropped: %s", error)
        finally:
            self._database.leave()


def drop_events(database: Database, tenant: str, most: int) -> int:
    """Delete a tenant's oldest events until `most` are left; return how many were deleted."""
    found = database.reading().row(
        "SELECT seq FROM events WHERE tenant = ? ORDER BY seq DESC LIMIT 1 OFFSET ?",
        (tenant, most),
    )
    count = 0
    while found is not None:
        rows = database.reading().rows(
            "SELECT seq FROM events WHERE tenant = ? AND seq <= ? ORDER BY seq LIMIT ?",
            (tenant, found[0], ROWS_A_TIME),
        )
        if not rows:
            break
        with database.transaction() as connection:
            count += connection.execute(
                "DELETE FROM events WHERE tenant = ? AND seq <= ?", (tenant, rows[-1][0])
            )
            note_dropped(connection, tenant, rows[-1][0])
    return count


def note_dropped(connection: Connection, tenant: str, last: int) -> None:
    """Store the largest number of a deleted event; readers with an older cursor need it."""
    connection.execute(
        "UPDATE usage SET events_dropped = ? WHERE tenant = ? AND events_dropped < ?",
        (last, tenant, last),
    )


def drop_ended_uploads(database: Database, tenant: str, most: int) -> int:
    """Delete a tenant's oldest uploads that became files, until `most` of them are left.

    Return how many were deleted. The service keeps such uploads for clients that have not received
    the response.
    """
    found = database.reading().row(
        "SELECT expires_at FROM uploads WHERE tenant = ? AND file IS NOT NULL "
        "ORDER BY expires_at DESC LIMIT 1 OFFSET ?",
        (tenant, most),
    )
    count = 0
    while found is not None:
        with database.transaction() as connection:
            rows = connection.rows(
                "SELECT tenant, id FROM uploads WHERE tenant = ? AND file IS NOT NULL "
                "AND expires_at <= ? ORDER BY expires_at LIMIT ?",
                (tenant, found[0], ROWS_A_TIME),
            )
            connection.execute_many("DELETE FROM uploads WHERE tenant = ? AND id = ?", rows)
            connection.execute_many("DELETE FROM upload_parts WHERE tenant = ? AND final = ?", rows)
        count += len(rows)
        if len(rows) < ROWS_A_TIME:
            break
    return count
