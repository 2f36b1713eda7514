"""The rows of jobs, for operators, metrics and maintenance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

from servicekit.database import Connection, Row
from wharf_upload.database import job_ends
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.job_ends import ChangedJob
from wharf_upload.database.jobs import COLUMNS, FIRST_RUN, waiting_walk
from wharf_upload.database.now import NOW
from wharf_upload.database.retention import ROWS_A_TIME
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.domain.jobs import KeptJob, LaneState

# Counting more rows would take too long for a metric.
MOST_COUNTED = 1_000_000
_MOST_SHARES = 10_000
_NAMES = COLUMNS.split(", ")
# The columns that a dead job keeps when it runs again.
_MOVED = f"{job_ends.COLUMNS}, id, turn, created_at, error"
# Changes the job with an id in a transaction; returns whether there was such a job.
_ChangeOne = Callable[[Connection, str], bool]


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
        """Let dead jobs run again, with all their tries; return their number.

        A failed delivery of such a job begins again. If the delivery has another job already, this
        job runs immediately, and the dead one goes.
        """
        count = 0
        while names := self._some(ids, lane, tenant, dead=True):
            count += self._change(names, self._retry_one)
            if ids:
                break
        return count

    def drop(
        self, *, lane: str = "", tenant: str = "", dead: bool = False, ids: Sequence[str] = ()
    ) -> int:
        """Remove jobs; a handler that runs such a job loses its turn. Return their number.

        The delivery or the replay of such a job ends.
        """
        drop_one, count = partial(_drop_one, "jobs_dead" if dead else "jobs"), 0
        while names := self._some(ids, lane, tenant, dead=dead):
            count += self._change(names, drop_one)
            if ids:
                break
        return count

    def _some(self, ids: Sequence[str], lane: str, tenant: str, *, dead: bool) -> list[Row]:
        """Return (tenant, id) of the given jobs, or of the next jobs that match the filters."""
        if not ids:
            found = self.jobs(lane=lane, tenant=tenant, dead=dead, limit=ROWS_A_TIME)
            return [(job.tenant, job.id) for job in found]
        table, reading = "jobs_dead" if dead else "jobs", self._database.reading()
        rows = (
            reading.row(f"SELECT tenant, id FROM {table} WHERE id = ?", (name,))  # noqa: S608 -- constants only
            for name in ids
        )
        return [row for row in rows if row is not None]

    def _change(self, names: Sequence[Row], change_one: _ChangeOne) -> int:
        """Change jobs (tenant, id), all jobs of one tenant in one commit; return their number.

        During the commit, no handler changes the same delivery or replay.
        """
        by_tenant = defaultdict(list)
        for tenant, name in names:
            by_tenant[tenant].append(name)

        def change(ids: Sequence[str], connection: Connection, _: UnitOfWork) -> int:
            return sum(change_one(connection, name) for name in ids)

        return sum(
            self._group.run(tenant, partial(change, ids)) for tenant, ids in by_tenant.items()
        )

    def _retry_one(self, connection: Connection, name: str) -> bool:
        rows = connection.rows(
            f"DELETE FROM jobs_dead WHERE id = ? RETURNING {_MOVED}",  # noqa: S608 -- constants only
            (name,),
        )
        if not rows:
            return False
        dialect, job = self._database.dialect, ChangedJob(*rows[0][: len(ChangedJob._fields)])
        if not job_ends.another_runs(connection, dialect, job):
            marks = "?, " * len(rows[0])
            connection.execute(
                f"INSERT INTO jobs ({_MOVED}, tries, run_at) VALUES ({marks}0, {NOW[dialect]})",  # noqa: S608 -- constants only
                rows[0],
            )
        job_ends.retried(connection, job)
        return True

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
        """Remove jobs that died before a time; return their number. Their replays end."""
        count = 0
        while True:
            names = self._database.reading().rows(
                "SELECT tenant, id FROM jobs_dead WHERE died_at < ? ORDER BY died_at LIMIT ?",
                (before, ROWS_A_TIME),
            )
            count += self._change(names, partial(_drop_one, "jobs_dead"))
            if len(names) < ROWS_A_TIME:
                return count


def _drop_one(table: str, connection: Connection, name: str) -> bool:
    job = _removed(connection, table, name)
    if job is not None:
        job_ends.dropped(connection, job)
    return job is not None


def _removed(connection: Connection, table: str, name: str) -> ChangedJob | None:
    """Remove the row of a job; return the job, or `None` if there is no such row."""
    rows = connection.rows(
        f"DELETE FROM {table} WHERE id = ? RETURNING {job_ends.COLUMNS}",  # noqa: S608 -- constants only
        (name,),
    )
    return ChangedJob(*rows[0]) if rows else None


def _filters(lane: str, tenant: str) -> tuple[str, list[str]]:
    given = {"lane": lane, "tenant": tenant}
    wanted = {name: value for name, value in given.items() if value}
    return "".join(f" AND {name} = ?" for name in wanted), list(wanted.values())


def _kept(row: Row, time: str) -> KeptJob:
    *values, at = row
    return KeptJob(**dict(zip(_NAMES, values, strict=True)), **{time: at})
