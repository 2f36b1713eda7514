"""The engine `threads`."""

from __future__ import annotations

import queue

import msgspec
import pytest

from tests.contract.jobs.lanes import LANE, Recording
from tests.servers.jobs import add, effects_of
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.jobs import Done, Turn
from wharf_upload.jobs.handlers import LaneOfJobs
from wharf_upload.jobs.runner import Runner
from wharf_upload.jobs.threads import ThreadEngine

_ONE_THREAD = msgspec.structs.replace(LANE, at_once=1)


def test_effects_that_fail(records: SqlRecords) -> None:
    """A lane with one thread runs later jobs after a job whose effects raise an error."""

    def effects(*_: object) -> None:
        raise ValueError("a wrong row")

    add(records, "bad", share="a")
    add(records, "good", share="b")
    handler = Recording(lambda job, _: Done(effects) if job.subject == "bad" else None)
    runner = Runner(records.jobs, {"test": LaneOfJobs(_ONE_THREAD, handler)})
    ended: queue.SimpleQueue[None] = queue.SimpleQueue()
    engine = ThreadEngine([_ONE_THREAD], runner.run, lambda: ended.put(None))
    for share in ("a", "b"):
        engine.submit("test", records.jobs.take("test", {share: 1}, 60))
        ended.get(timeout=30)
    engine.stop(30)
    assert effects_of(records) == {"good": 1}


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_run_that_raises(error: type[BaseException]) -> None:
    """A thread runs later jobs after a run that raises, and tells that the run has ended."""
    ran: list[str] = []
    ended: queue.SimpleQueue[None] = queue.SimpleQueue()

    def run(turn: Turn) -> None:
        ran.append(turn.id)
        if turn.id == "bad":
            raise error

    engine = ThreadEngine([_ONE_THREAD], run, lambda: ended.put(None))
    for job in ("bad", "good"):
        engine.submit("test", [Turn(job, 1)])
        ended.get(timeout=30)
    engine.stop(30)
    assert ran == ["bad", "good"]


def test_an_end_that_raises() -> None:
    """A thread runs later jobs after the call that tells of an end has failed."""
    ran: queue.SimpleQueue[str] = queue.SimpleQueue()

    def fail() -> None:
        raise ValueError("no dispatcher")

    engine = ThreadEngine([_ONE_THREAD], lambda turn: ran.put(turn.id), fail)
    engine.submit("test", [Turn("one", 1), Turn("two", 1)])
    assert [ran.get(timeout=30), ran.get(timeout=30)] == ["one", "two"]
    engine.stop(30)
