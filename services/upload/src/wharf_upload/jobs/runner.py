"""Runs the handler of a job, and ends the job's turn with the handler's outcome."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from servicekit.database import DatabaseUnavailable
from wharf_upload.database.job_contract import JobRecords
from wharf_upload.domain.jobs import Again, Dead, Done, Effects, Job, Outcome, Turn, TurnLost
from wharf_upload.jobs import job_metrics
from wharf_upload.jobs.handlers import Fence, LaneOfJobs
from wharf_upload.jobs.job_metrics import Result
from wharf_upload.jobs.renewals import Renewals

log = logging.getLogger(__name__)
_MOST_REASON_CHARACTERS = 500


class Runner:
    """Runs jobs by their ids; `lanes` are the lanes and handlers by the names of the lanes."""

    def __init__(self, records: JobRecords, lanes: Mapping[str, LaneOfJobs]) -> None:
        self._records, self._lanes = records, lanes
        self._renewals = Renewals(records)

    def run(self, turn: Turn) -> None:
        """Run the job of a turn; do nothing if the turn is over.

        Raises no `Exception`: a job whose end cannot be written runs again when its lease has
        expired.
        """
        begun = time.monotonic()
        try:
            job = self._records.begin(turn)
            if job is None or job.lane not in self._lanes:
                return
            result = self._run(job, self._lanes[job.lane])
        except DatabaseUnavailable as error:
            log.warning("a job stays unfinished until its lease has expired: %s", error)
            return
        except Exception:
            # For example effects, or the reader of the row, have a defect.
            log.exception(
                "a job stays unfinished until its lease has expired",
                extra={"fields": {"job": turn.id}},
            )
            return
        job_metrics.note_run(job.lane, result, time.monotonic() - begun)

    def _run(self, job: Job, own: LaneOfJobs) -> Result:
        try:
            with self._renewals.hold(Turn(job.id, job.turn), own.lane.lease_seconds) as fence:
                outcome = _outcome(job, own, fence)
            return self._end(job, own, outcome)
        except TurnLost:
            job_metrics.lost_leases.note(((job.lane,), 1))
            return "lost"

    def _end(self, job: Job, own: LaneOfJobs, outcome: Outcome) -> Result:
        match outcome:
            case Done(effects):
                self._records.done(job, effects)
                return "done"
            case Again(seconds, why, counts, effects):
                if not counts or job.tries < own.lane.tries:
                    wait = own.lane.waits.after(job.tries) if seconds is None else seconds
                    self._records.again(job, wait, _short(why), counts=counts, effects=effects)
                    return "again"
                gave_up = own.handler.gave_up(job, why)
                self._bury(job, why, _both(effects, gave_up))
            case Dead(why, effects):
                self._bury(job, why, effects)
        return "dead"

    def _bury(self, job: Job, why: str, effects: Effects | None) -> None:
        self._records.bury(job, _short(why), effects)
        log.error(
            "a job is dead: %s",
            why,
            extra={"fields": {"job": job.id, "lane": job.lane, "tenant": job.tenant}},
        )


def _outcome(job: Job, own: LaneOfJobs, fence: Fence) -> Outcome:
    """Return the handler's outcome; an error of the handler is a failed try."""
    if job.tries > own.lane.tries:
        why = f"The worker ended during each of the job's {own.lane.tries} tries."
        return Dead(why, own.handler.gave_up(job, why))
    try:
        return own.handler.run(job, fence)
    except TurnLost:
        raise
    except DatabaseUnavailable as error:
        # The job is not at fault, so it does not die of this error.
        return Again(own.lane.waits.after(1), f"The database is unavailable: {error}", counts=False)
    except Exception as error:
        log.exception("a handler of jobs failed", extra={"fields": {"job": job.id}})
        return Again(None, f"{type(error).__name__}: {error}")


def _both(first: Effects | None, second: Effects | None) -> Effects | None:
    if first is None or second is None:
        return first or second

    def effects(*arguments: object) -> None:
        first(*arguments)
        second(*arguments)

    return effects


def _short(why: str) -> str:
    return why[:_MOST_REASON_CHARACTERS]
