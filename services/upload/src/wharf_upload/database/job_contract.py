"""The contract of the rows of jobs.

Times of leases and of runs come from the database's clock, because the clocks of machines may
differ. All methods raise `DatabaseUnavailable` when the database does not respond.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from wharf_upload.domain.jobs import Effects, Job, KeptJob, LaneState, NewJob, Turn, WaitingShare


class JobRecords(Protocol):
    """The rows of jobs, for the dispatcher and the handlers."""

    def add(self, jobs: Sequence[NewJob]) -> None:
        """Add jobs of one tenant in a commit of their own."""

    def put_back(self, lane: str) -> int:
        """Let jobs whose lease has expired wait again; return their number."""

    def taken(self, lane: str) -> Mapping[str, int]:
        """Return the number of taken jobs of each share of a lane that has such jobs."""

    def waiting_shares(self, lane: str, after: str, limit: int) -> list[WaitingShare]:
        """Return at most `limit` shares after a name that have waiting jobs, in order."""

    def take(self, lane: str, rooms: Mapping[str, int], lease_seconds: float) -> list[Turn]:
        """Take due jobs, the oldest first; of each share at most as many as `rooms` says."""

    def release(self, turns: Sequence[Turn]) -> None:
        """Let taken jobs that did not begin wait again; the taking does not count as a try."""

    def begin(self, turn: Turn) -> Job | None:
        """Return the job of a turn; `None` if the turn is over or its lease has expired."""

    def renew(self, turns: Sequence[Turn], lease_seconds: float) -> set[Turn]:
        """Extend the leases of turns; return the turns that are not over."""

    def done(self, job: Job, effects: Effects | None = None) -> None:
        """Remove a job that is done, with its effects in the same commit; raises `TurnLost`."""

    def again(
        self,
        job: Job,
        after_seconds: float,
        why: str,
        *,
        counts: bool = True,
        effects: Effects | None = None,
    ) -> None:
        """Let a job wait for its next run; raises `TurnLost`.

        With `counts` false the run is not counted as a try.
        """

    def bury(self, job: Job, why: str, effects: Effects | None = None) -> None:
        """Move a job to the dead jobs; raises `TurnLost`."""


class KeptJobs(Protocol):
    """The rows of jobs, for operators and maintenance."""

    def jobs(
        self, *, lane: str = "", tenant: str = "", dead: bool = False, after: str = "", limit: int
    ) -> list[KeptJob]:
        """Return jobs after an id, in order of their ids; an empty filter matches all."""

    def retry(self, *, lane: str = "", tenant: str = "", ids: Sequence[str] = ()) -> int:
        """Let dead jobs run again, with all their tries; return their number.

        Without `ids`, all dead jobs that match the filters.
        """

    def drop(
        self, *, lane: str = "", tenant: str = "", dead: bool = False, ids: Sequence[str] = ()
    ) -> int:
        """Remove jobs; a handler that runs such a job loses its turn. Return their number.

        Without `ids`, all jobs that match the filters.
        """

    def state(self, lane: str) -> LaneState:
        """Return the state of a lane; numbers of jobs are counted up to a bound."""

    def forget_dead(self, before: int) -> int:
        """Remove jobs that died before a time in unix milliseconds; return their number."""
