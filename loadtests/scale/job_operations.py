"""The operations of dispatchers, handlers and operators on the rows of jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from loadtests.scale.case import Case
from loadtests.scale.operation import Operation, Run
from wharf_upload.domain.jobs import Job, NewJob, Turn
from wharf_upload.jobs.dispatcher import LaneDispatcher
from wharf_upload.jobs.lanes import WEBHOOK

_LEASE_SECONDS = 3600.0
_PAST = 1
# A share before all generated shares, so that its jobs are found first.
_OWN_SHARE = "own"
# Few of the generated shares get room in a turn.
_LANE = msgspec.structs.replace(WEBHOOK, at_once=8)


class _Keeping:
    """An engine that keeps the turns, until they are released."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []

    def submit(self, _: str, turns: Sequence[Turn]) -> None:
        self.turns += turns

    def stop(self, _: float) -> list[Turn]:
        return self.turns


_KEPT = _Keeping()


def _turn(case: Case) -> Run:
    # Free the room that the last run of this operation has taken.
    case.records.jobs.release(_KEPT.turns)
    _KEPT.turns.clear()
    return LaneDispatcher(case.records.jobs, _LANE, _KEPT).turn


def _taken(case: Case) -> Job:
    """Add a job in a lane of its own, take it and return it."""
    tenant = case.tenant().name
    case.records.jobs.add([NewJob(lane="own", tenant=tenant, share=_OWN_SHARE, subject="x")])
    (turn,) = case.records.jobs.take("own", {_OWN_SHARE: 1}, _LEASE_SECONDS)
    job = case.records.jobs.begin(turn)
    assert job is not None
    return job


def _add(case: Case) -> Run:
    new = NewJob(lane="webhook", tenant=case.tenant().name, share="share-00", subject="x")
    return lambda: case.records.jobs.add([new])


def _begin(case: Case) -> Run:
    job = _taken(case)
    return lambda: case.records.jobs.begin(Turn(job.id, job.turn))


def _ending(end: Callable[[Case, Job], object]) -> Callable[[Case], Run]:
    def prepare(case: Case) -> Run:
        job = _taken(case)
        return lambda: end(case, job)

    return prepare


def _renew(case: Case, job: Job) -> object:
    return case.records.jobs.renew([Turn(job.id, job.turn)], _LEASE_SECONDS)


def _done(case: Case, job: Job) -> None:
    case.records.jobs.done(job)


def _bury(case: Case, job: Job) -> None:
    case.records.jobs.bury(job, "why")


def _list(*, dead: bool) -> Callable[[Case], Run]:
    def prepare(case: Case) -> Run:
        tenant = case.everybody[0].name
        return lambda: case.records.kept_jobs.jobs(tenant=tenant, dead=dead, limit=10)

    return prepare


def _forget_dead(case: Case) -> Run:
    return lambda: case.records.kept_jobs.forget_dead(_PAST)


JOB_OPERATIONS = (
    Operation("job, add", _add),
    Operation("jobs, a turn of a lane", _turn, hot=False, lookups=21),
    Operation("job, begin", _begin, hot=False),
    Operation("job, renew", _ending(_renew), hot=False),
    Operation("job, done", _ending(_done), hot=False),
    Operation("job, dead", _ending(_bury), hot=False),
    Operation("jobs of a tenant", _list(dead=False), hot=False),
    Operation("dead jobs of a tenant", _list(dead=True), hot=False),
    Operation("forget_dead, nothing to do", _forget_dead, hot=False),
)
