"""Drops a tenant's oldest events when there are more than it may have."""

from __future__ import annotations

import logging

from servicekit.database import Connection, Database, DatabaseUnavailable
from wharf_upload.database.retention import ROWS_A_TIME

log = logging.getLogger(__name__)
# A process looks after each hundredth part of the limit: counting costs as much as there is.
_PARTS = 100


class EventLimit:
    """Counts the events that this process adds, and looks at all of a tenant's now and then.

    No request pays for it but one in thousands, and that one outside of its transaction. Several
    processes may each exceed the limit by one part.
    """

    def __init__(self, database: Database, most: int | None) -> None:
        self._database, self._most = database, most
        self._part = max(1, (most or 0) // _PARTS)
        self._added: dict[str, int] = {}

    def note(self, tenant: str, count: int) -> None:
        """Note that so many were added; drop the oldest when it is time. Never raises."""
        if self._most is None:
            return
        # Threads that come at the same moment may lose a number: the next part comes a bit later.
        added = self._added.get(tenant, 0) + count
        if added < self._part:
            self._added[tenant] = added
            return
        self._added.pop(tenant, None)
        try:
            self.trim(tenant)
        except DatabaseUnavailable as error:
            # The worker looks at all tenants each hour.
            log.warning("the oldest events cannot be dropped: %s", error)

    def trim(self, tenant: str) -> int:
        """Drop what is too much of one tenant, the oldest first; return how many."""
        if self._most is None:
            return 0
        found = self._database.reading().row(
            "SELECT seq FROM events WHERE tenant = ? ORDER BY seq DESC LIMIT 1 OFFSET ?",
            (tenant, self._most),
        )
        return 0 if found is None else drop_until(self._database, tenant, found[0])


def drop_until(database: Database, tenant: str, last: int) -> int:
    """Drop the tenant's events up to a number, some at a time; return how many."""
    count = 0
    while rows := database.reading().rows(
        "SELECT seq FROM events WHERE tenant = ? AND seq <= ? ORDER BY seq LIMIT ?",
        (tenant, last, ROWS_A_TIME),
    ):
        with database.transaction() as connection:
            count += connection.execute(
                "DELETE FROM events WHERE tenant = ? AND seq <= ?", (tenant, rows[-1][0])
            )
            note_dropped(connection, tenant, rows[-1][0])
    return count


def note_dropped(connection: Connection, tenant: str, last: int) -> None:
    """Remember up to which number events are gone, for readers that come later."""
    connection.execute(
        "UPDATE usage SET events_dropped = ? WHERE tenant = ? AND events_dropped < ?",
        (last, tenant, last),
    )
