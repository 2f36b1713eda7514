"""Rows of leases that exclude other replicas.

The times in the rows come from the database's clock, because the clocks of replicas may differ. A
lease that its holder does not renew expires. A row stays after the release of its lease, so that
the next holder learns whether another process had the lease in between. The worker deletes old
rows.
"""

from __future__ import annotations

from typing import NamedTuple

from servicekit.database import Connection, Database, Row
from wharf_upload.database.now import NOW
from wharf_upload.database.retention import forget

LEASE_SECONDS = 6.0
_OLD_MILLISECONDS = 24 * 3600 * 1000


class Taken(NamedTuple):
    """A lease that this process has taken: the number of its turn, and its previous holder.

    `turn` counts how often the lease was taken. `previous` is empty if no process held the lease
    before, or if the row of the lease was deleted since.
    """

    turn: int
    previous: str


class Held(NamedTuple):
    """A lease as its row shows it; `wanted` tells whether another process waits for it."""

    name: str
    turn: int
    wanted: bool


class LeaseRows:
    """The rows of leases in SQLite or PostgreSQL; methods raise `DatabaseUnavailable`.

    `holder` names this process and must be unique over all processes of all time. The threads of
    this process do not exclude each other here.
    """

    def __init__(self, database: Database, holder: str) -> None:
        self._database, self.holder = database, holder
        self._now = NOW[database.dialect]

    def take(self, name: str, *, ask: bool = True) -> Taken | None:
        """Take the lease and return it; return `None` while another process holds it.

        With `ask`, mark the lease as wanted, so that its holder releases it.
        """
        with self._database.transaction() as connection:
            self._hurry(connection)
            rows = connection.rows(
                "INSERT INTO leases (name, holder, previous, turn, held, wanted, expires_at) "  # noqa: S608 -- constants only
                f"VALUES (?, ?, '', 1, 1, 0, {self._now} + ?) "
                "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, "
                "previous = leases.holder, turn = leases.turn + 1, held = 1, wanted = 0, "
                "expires_at = excluded.expires_at "
                f"WHERE leases.held = 0 OR leases.expires_at <= {self._now} "
                "OR leases.holder = excluded.holder RETURNING turn, previous",
                (name, self.holder, _milliseconds(LEASE_SECONDS)),
            )
            if rows:
                return Taken(*rows[0])
            if ask:
                connection.execute(
                    "UPDATE leases SET wanted = 1 WHERE name = ? AND wanted = 0", (name,)
                )
        return None

    def release(self, name: str, turn: int) -> None:
        """Release a lease; has no effect if this holder no longer has it."""
        with self._database.transaction() as connection:
            self._hurry(connection)
            connection.execute(
                f"UPDATE leases SET held = 0, wanted = 0, expires_at = {self._now} "  # noqa: S608 -- constants only
                "WHERE name = ? AND holder = ? AND turn = ? AND held = 1",
                (name, self.holder, turn),
            )

    def renew(self, name: str, turn: int) -> bool:
        """Extend a lease; return whether this holder still had it.

        A lease that has expired, and that no other process has taken since, becomes valid again.
        """
        return bool(self._renewed(" AND name = ? AND turn = ?", name, turn))

    def renew_all(self) -> set[tuple[str, int]]:
        """Extend all leases of this holder; return their names and turns."""
        return {(row[0], row[1]) for row in self._renewed("")}

    def _renewed(self, which: str, *parameters: object) -> list[Row]:
        with self._database.transaction() as connection:
            self._hurry(connection)
            return connection.rows(
                f"UPDATE leases SET expires_at = {self._now} + ? "  # noqa: S608 -- constants only
                f"WHERE holder = ? AND held = 1{which} RETURNING name, turn",
                (_milliseconds(LEASE_SECONDS), self.holder, *parameters),
            )

    def held(self) -> list[Held]:
        """Return the leases of this holder, as the rows show them."""
        rows = self._database.reading().rows(
            "SELECT name, turn, wanted FROM leases WHERE holder = ? AND held = 1", (self.holder,)
        )
        return [Held(row[0], row[1], bool(row[2])) for row in rows]

    def forget(self) -> int:
        """Delete the rows of leases that ended more than a day ago; return how many."""
        ((now,),) = self._database.reading().rows(f"SELECT {self._now}")
        return forget(self._database, "leases", "expires_at", "name", now - _OLD_MILLISECONDS)

    def _hurry(self, connection: Connection) -> None:
        """Let the commit of a PostgreSQL transaction return before the sync.

        If a database crash loses a lease, the holder of the lease notices.
        """
        if self._database.dialect == "postgresql":
            connection.execute("SET LOCAL synchronous_commit = off")


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
