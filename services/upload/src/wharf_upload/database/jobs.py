"""The rows of jobs: adding, taking, and ending them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from servicekit.database import Connection, Row
from wharf_upload.database.aggregate import Aggregate
from wharf_upload.database.now import NOW
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.domain.jobs import Effects, Job, NewJob, Turn, TurnLost, WaitingShare

COLUMNS = "id, lane, share, tenant, subject, run_at, turn, tries, created_at, error"
_JOB = "id, lane, share, tenant, subject, turn, tries, created_at"
# The time of the first run among the waiting jobs of the share `found.share`.
FIRST_RUN = (
    "SELECT run_at FROM jobs WHERE lane = ? AND share = found.share AND lease_until IS NULL "
    "ORDER BY run_at LIMIT 1"
)
# The oldest due jobs of one share. On PostgreSQL, `FOR UPDATE SKIP LOCKED` leaves out the rows
# that another dispatcher takes at the same moment.
_DUE = (
    "SELECT id FROM jobs WHERE lane = ? AND share = ? AND lease_until IS NULL AND run_at <= {now} "
    "ORDER BY run_at LIMIT ?"
)


def waiting_walk() -> str:
    """Return the part `WITH found(share, number)` of a query: the shares with waiting jobs.

    Its parameters are lane, share to begin after, lane, and the largest number of shares.
    """
    step = (
        "SELECT share FROM jobs WHERE lane = ? AND lease_until IS NULL AND share > {after} "
        "ORDER BY share LIMIT 1"
    )
    return (
        "WITH RECURSIVE found(share, number) AS ("  # noqa: S608 -- constants only
        f"SELECT ({step.format(after='?')}), 1 UNION ALL "
        f"SELECT ({step.format(after='found.share')}), number + 1 FROM found "
        "WHERE found.share IS NOT NULL AND number < ?)"
    )


class SqlJobs(Aggregate):
    """Implements `job_contract.JobRecords`."""

    def add(self, jobs: Sequence[NewJob]) -> None:
        """Add jobs of one tenant in a commit of their own."""

        def change(_connection: Connection, unit: UnitOfWork) -> None:
            unit.jobs += jobs

        if jobs:
            self._group.run(jobs[0].tenant, change)

    # ---- the dispatcher ----

    def put_back(self, lane: str) -> int:
        """Let jobs whose lease has expired wait again; return their number."""
        expired = f"lane = ? AND lease_until IS NOT NULL AND lease_until <= {self._now}"
        # A write would wait for its turn, and there is rarely such a job.
        if not self._database.reading().row(
            f"SELECT 1 FROM jobs WHERE {expired} LIMIT 1",  # noqa: S608 -- constants only
            (lane,),
        ):
            return 0
        with self._database.transaction() as connection:
            return connection.execute(
                f"UPDATE jobs SET lease_until = NULL WHERE {expired}",  # noqa: S608 -- constants only
                (lane,),
            )

    def taken(self, lane: str) -> Mapping[str, int]:
        """Return the number of taken jobs of each share that has such jobs."""
        rows = self._database.reading().rows(
            "SELECT share FROM jobs WHERE lane = ? AND lease_until IS NOT NULL", (lane,)
        )
        return Counter(row[0] for row in rows)

    def waiting_shares(self, lane: str, after: str, limit: int) -> list[WaitingShare]:
        """Return at most `limit` shares after a name that have waiting jobs, in order.

        Each step jumps to the next share in the index, so the number of jobs of a share does not
        matter.
        """
        rows = self._database.reading().rows(
            f"{waiting_walk()} SELECT share, ({self._now} - ({FIRST_RUN})) / 1000.0 FROM found "  # noqa: S608 -- constants only
            "WHERE share IS NOT NULL",
            (lane, after, lane, limit, lane),
        )
        return [WaitingShare(share, float(due)) for share, due in rows]

    def take(self, lane: str, rooms: Mapping[str, int], lease_seconds: float) -> list[Turn]:
        """Take due jobs, the oldest first; of each share at most as many as `rooms` says."""
        rooms = {share: room for share, room in rooms.items() if room > 0}
        if not rooms:
            return []
        lease = _milliseconds(lease_seconds)
        with self._database.transaction() as connection:
            if self._database.dialect == "sqlite":
                rows = self._take_by_share(connection, lane, rooms, lease)
            else:
                rows = self._take_at_once(connection, lane, rooms, lease)
        return [Turn(*row) for row in sorted(rows)]

    def _take_by_share(
        self, connection: Connection, lane: str, rooms: Mapping[str, int], lease: int
    ) -> list[Row]:
        return [
            row
            for share, room in rooms.items()
            for row in connection.rows(
                self._taking(f"IN ({_DUE.format(now=self._now)})"), (lease, lane, share, room)
            )
        ]

    def _take_at_once(
        self, connection: Connection, lane: str, rooms: Mapping[str, int], lease: int
    ) -> list[Row]:
        due = _DUE.replace("share = ?", "share = wanted.share").replace("LIMIT ?", "LIMIT room")
        # As an array: the planner would join a subquery with the table, and read all of it.
        sql = self._taking(
            "= ANY(ARRAY(SELECT due.id FROM unnest(?::text[], ?::int[]) AS wanted(share, room), "  # noqa: S608 -- constants only
            f"LATERAL ({due.format(now=self._now)} FOR UPDATE SKIP LOCKED) AS due))"
        )
        return connection.rows(sql, (lease, list(rooms), list(rooms.values()), lane))

    def _taking(self, which: str) -> str:
        return (
            f"UPDATE jobs SET lease_until = {self._now} + ?, turn = turn + 1, tries = tries + 1 "  # noqa: S608 -- constants only
            f"WHERE id {which} RETURNING id, turn"
        )

    def release(self, turns: Sequence[Turn]) -> None:
        """Let taken jobs that did not begin wait again; the taking does not count as a try."""
        with self._database.transaction() as connection:
            connection.execute_many(
                "UPDATE jobs SET lease_until = NULL, tries = tries - 1 "
                "WHERE id = ? AND turn = ? AND lease_until IS NOT NULL",
                turns,
            )

    # ---- the handlers ----

    def begin(self, turn: Turn) -> Job | None:
        """Return the job of a turn; `None` if the turn is over or its lease has expired."""
        # With the lease as a condition, PostgreSQL would read the index of all taken jobs.
        row = self._database.reading().row(
            f"SELECT {_JOB}, coalesce(lease_until, 0) > {self._now} FROM jobs "  # noqa: S608 -- constants only
            "WHERE id = ? AND turn = ?",
            (turn.id, turn.turn),
        )
        if row is None:
            return None
        *job, holds = row
        return _job(tuple(job)) if holds else None

    def renew(self, turns: Sequence[Turn], lease_seconds: float) -> set[Turn]:
        """Extend the leases of turns; return the turns that are not over."""
        renewed = set()
        with self._database.transaction() as connection:
            for turn in turns:
                if connection.execute(
                    f"UPDATE jobs SET lease_until = {self._now} + ? "  # noqa: S608 -- constants only
                    "WHERE id = ? AND turn = ? AND lease_until IS NOT NULL",
                    (_milliseconds(lease_seconds), turn.id, turn.turn),
                ):
                    renewed.add(turn)
        return renewed

    def done(self, job: Job, effects: Effects | None = None) -> None:
        """Remove a job that is done, with its effects in the same commit; raises `TurnLost`."""

        def end(connection: Connection) -> None:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job.id,))

        self._end(job, end, effects)

    def again(
        self,
        job: Job,
        after_seconds: float,
        why: str,
        *,
        counts: bool = True,
        effects: Effects | None = None,
    ) -> None:
        """Let a job wait for its next run; raises `TurnLost`."""

        def end(connection: Connection) -> None:
            connection.execute(
                f"UPDATE jobs SET lease_until = NULL, run_at = {self._now} + ?, error = ?, "  # noqa: S608 -- constants only
                "tries = tries - ? WHERE id = ?",
                (_milliseconds(after_seconds), why, 0 if counts else 1, job.id),
            )

        self._end(job, end, effects)

    def bury(self, job: Job, why: str, effects: Effects | None = None) -> None:
        """Move a job to the dead jobs; raises `TurnLost`."""

        def end(connection: Connection) -> None:
            connection.execute(
                f"INSERT INTO jobs_dead ({COLUMNS}, died_at) "  # noqa: S608 -- constants only
                f"SELECT {COLUMNS.removesuffix('error')}?, {self._now} FROM jobs WHERE id = ?",
                (why, job.id),
            )
            connection.execute("DELETE FROM jobs WHERE id = ?", (job.id,))

        self._end(job, end, effects)

    def _end(self, job: Job, end: Callable[[Connection], None], effects: Effects | None) -> None:
        """End a turn, and make its effects, unless the turn is over.

        Effects may refuse: at that time nothing was written.
        """
        lock = "" if self._database.dialect == "sqlite" else " FOR UPDATE"

        def change(connection: Connection, unit: UnitOfWork) -> None:
            if not connection.row(
                f"SELECT 1 FROM jobs WHERE id = ? AND turn = ?{lock}",  # noqa: S608 -- constants only
                (job.id, job.turn),
            ):
                raise TurnLost
            if effects is not None:
                effects(connection, unit)
            end(connection)

        self._group.run(job.tenant, change)

    @property
    def _now(self) -> str:
        return NOW[self._database.dialect]


def _job(row: Row) -> Job:
    return Job(**dict(zip(_JOB.split(", "), row, strict=True)))


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
