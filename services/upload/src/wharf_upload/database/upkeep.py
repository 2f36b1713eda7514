"""State of maintenance: the processes that copy the store, and the hours that were swept."""

from __future__ import annotations

from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.now import NOW


class SqlUpkeep(Aggregate):
    """Implements `contract.UpkeepRecords`; the times of pauses come from the database's clock."""

    def touch_pause(self, holder: str) -> None:
        """Record that a copier is running."""
        with self._database.transaction() as connection:
            connection.execute(
                f"INSERT INTO collection_pauses (holder, touched_at) VALUES (?, {self._now}) "  # noqa: S608 -- constants only
                "ON CONFLICT (holder) DO UPDATE SET touched_at = excluded.touched_at",
                (holder,),
            )

    def end_pause(self, holder: str) -> None:
        """Record that a copier has ended."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM collection_pauses WHERE holder = ?", (holder,))

    def is_paused(self, silent: int) -> bool:
        """Tell whether a copier has called `touch_pause` in the last `silent` milliseconds."""
        row = self._database.reading().row(
            f"SELECT 1 FROM collection_pauses WHERE touched_at > {self._now} - ?",  # noqa: S608 -- constants only
            (silent,),
        )
        return row is not None

    def forget_pauses(self, silent: int) -> None:
        """Delete the copiers that have not called `touch_pause` for `silent` milliseconds."""
        with self._database.transaction() as connection:
            connection.execute(
                f"DELETE FROM collection_pauses WHERE touched_at <= {self._now} - ?",  # noqa: S608 -- constants only
                (silent,),
            )

    def swept_until(self, place: str) -> int | None:
        """Return the time up to which the blobs in a place were swept, in unix seconds.

        `None` means that they were never swept.
        """
        row = self._database.reading().row(
            "SELECT until FROM swept_hours WHERE place = ?", (place,)
        )
        return None if row is None else int(row[0])

    def note_swept(self, place: str, until: int) -> None:
        """Record the time up to which the blobs in a place were swept, in unix seconds."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO swept_hours (place, until) VALUES (?, ?) "
                "ON CONFLICT (place) DO UPDATE SET until = excluded.until",
                (place, until),
            )

    def forget_swept(self, place: str) -> None:
        """Mark all blobs in a place as not swept."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM swept_hours WHERE place = ?", (place,))

    @property
    def _now(self) -> str:
        return NOW[self._database.dialect]
