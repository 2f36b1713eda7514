"""The rows of jobs, for operators, metrics and maintenance."""

from __future__ import annotations

from collections.abc import Sequence

from servicekit.database import Row
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.jobs import COLUMNS, FIRST_RUN, waiting_walk
from wharf_upload.database.now import NOW
from wharf_upload.database.retention import ROWS_A_TIME, forget
from wharf_upload.domain.jobs import KeptJob, LaneState

# Counting more rows would take too long for a metric.
MOST_COUNTED = 1_000_000
_MOST_SHARES = 10_000
_NAMES = COLUMNS.split(", ")


class SqlKeptJobs(Aggregate):
    """Implements `job_contract.KeptJobs`."""

    def jobs(
        self, *, lane: str = "", tenant: str = "", dead: bool = False, after: str = "", limit: int
    ) -> list[KeptJob]:
        """Return jobs after an id, in order of their ids; an empty filter matches all."""
        table, time = ("jobs_dead", "died_at") if dead else ("jobs", "lease_until")
        where, parameters = _filters(lane, tenant)
        rows = self._database.reading().rows(
            f"SELECT {COLUMNS}, {time} FROM {table} WHERE id > ?{where} ORDER BY id LIMIT ?",  # noqa: S608 -- constants only
            (after, *parameters, limit),
        )
        return [_kept(row, time) for row in rows]

    def retry(self, *, lane: str = "", tenant: str = "", ids: Sequence[str] = ()) -> int:
        """Let dead jobs run again, with all their tries; return their number."""
        now = NOW[self._database.dialect]
        count, copied = 0, "id, lane, share, tenant, subject"
        while names := self._some(ids, lane, tenant, dead=True):
            with self._database.transaction() as connection:
                for name in names:
                    count += connection.execute(
                        "INSERT INTO jobs (id, lane, share, tenant, subject, run_at, turn, tries, "  # noqa: S608 -- constants only
                        f"created_at, error) SELECT {copied}, {now}, turn, 0, created_at, error "
                        "FROM jobs_dead WHERE id = ?",
                        (name,),
                    )
                    connection.execute("DELETE FROM jobs_dead WHERE id = ?", (name,))
            if ids:
                break
        return count

    def drop(
        self, *, lane: str = "", tenant: str = "", dead: bool = False, ids: Sequence[str] = ()
    ) -> int:
        """Remove jobs; a handler that runs such a job loses its turn. Return their number."""
        table, count = "jobs_dead" if dead else "jobs", 0
        while names := self._some(ids, lane, tenant, dead=dead):
            with self._database.transaction() as connection:
                count += sum(
                    connection.execute(f"DELETE FROM {table} WHERE id = ?", (name,))  # noqa: S608 -- constants only
                    for name in names
                )
            if ids:
                break
        return count

    def _some(self, ids: Sequence[str], lane: str, tenant: str, *, dead: bool) -> list[str]:
        """Return the given ids, or the next ids that match the filters."""
        if ids:
            return list(ids)
        found = self.jobs(lane=lane, tenant=tenant, dead=dead, limit=ROWS_A_TIME)
        return [job.id for job in found]

    def state(self, lane: str) -> LaneState:
        """Return the state of a lane; numbers of jobs are counted up to `MOST_COUNTED`."""
        reading, now = self._database.reading(), NOW[self._database.dialect]
        oldest = reading.row(
            f"{waiting_walk()} SELECT max({now} - ({FIRST_RUN})) FROM found "  # noqa: S608 -- constants only
            "WHERE share IS NOT NULL",
            (lane, "", lane, _MOST_SHARES, lane),
        )
        waited = 0 if oldest is None or oldest[0] is None else oldest[0]
        return LaneState(
            waiting=self._count("jobs", lane, " AND lease_until IS NULL"),
            taken=self._count("jobs", lane, " AND lease_until IS NOT NULL"),
            dead=self._count("jobs_dead", lane, ""),
            oldest_seconds=max(0.0, float(waited) / 1000),
        )

    def _count(self, table: str, lane: str, which: str) -> int:
        row = self._database.reading().row(
            f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE lane = ?{which} LIMIT ?) AS found",  # noqa: S608 -- constants only
            (lane, MOST_COUNTED),
        )
        return int(row[0]) if row else 0

    def forget_dead(self, before: int) -> int:
        """Remove jobs that died before a time; return their number."""
        return forget(self._database, "jobs_dead", "died_at", "id", before)


def _filters(lane: str, tenant: str) -> tuple[str, list[str]]:
    given = {"lane": lane, "tenant": tenant}
    wanted = {name: value for name, value in given.items() if value}
    return "".join(f" AND {name} = ?" for name in wanted), list(wanted.values())


def _kept(row: Row, time: str) -> KeptJob:
    *values, at = row
    return KeptJob(**dict(zip(_NAMES, values, strict=True)), **{time: at})
