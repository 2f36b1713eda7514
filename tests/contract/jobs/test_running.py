"""The runner: outcomes of handlers, tries, and leases of jobs that run long."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest

from servicekit.database import Database, DatabaseUnavailable
from tests.contract.jobs.lanes import LANE, KeepingEngine, Recording
from tests.servers.jobs import add, effects_of
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.jobs import Again, Dead, Done, Job, Lane, Outcome, Turn, TurnLost
from wharf_upload.jobs.dispatcher import LaneDispatcher
from wharf_upload.jobs.handlers import Fence, LaneOfJobs
from wharf_upload.jobs.runner import Runner


def _run(records: SqlRecords, handler: Recording, times: int = 1, lane: Lane = LANE) -> None:
    """Dispatch and run the jobs, so many times."""
    engine = KeepingEngine()
    dispatcher = LaneDispatcher(records.jobs, lane, engine)
    runner = Runner(records.jobs, {"test": LaneOfJobs(lane, handler)})
    for _ in range(times):
        dispatcher.turn()
        engine.run(runner)


def test_done(records: SqlRecords) -> None:
    """A job that is done has its effect once and no row."""
    add(records, "file-1")
    _run(records, Recording(), 2)
    assert effects_of(records) == {"file-1": 1}
    assert records.kept_jobs.jobs(limit=5) == []


def test_a_handler_that_fails(records: SqlRecords) -> None:
    """A handler that fails at each try leaves a dead job, with the error and one effect of it."""

    def work(_job: Job, _fence: Fence) -> Outcome:
        raise ValueError("a wrong byte")

    add(records, "file-1")
    handler = Recording(work)
    _run(records, handler, LANE.tries + 2)
    assert len(handler.ran) == LANE.tries
    (dead,) = records.kept_jobs.jobs(dead=True, limit=5)
    assert dead.error == "ValueError: a wrong byte"
    assert handler.given_up == ["ValueError: a wrong byte"]
    assert effects_of(records) == {"file-1": 1}


def test_a_worker_that_dies_each_time(records: SqlRecords, database: Database) -> None:
    """A job that kills its worker at each try is dead without running once more."""
    add(records, "file-1")
    for _ in range(LANE.tries):
        (turn,) = records.jobs.take("test", {"demo": 1}, 60)
        assert records.jobs.begin(turn) is not None
        with database.transaction() as connection:
            connection.execute("UPDATE jobs SET lease_until = 1")
        records.jobs.put_back("test")
    handler = Recording()
    _run(records, handler)
    assert handler.ran == []
    (dead,) = records.kept_jobs.jobs(dead=True, limit=5)
    assert dead.error == "The worker ended during each of the job's 3 tries."
    assert effects_of(records) == {"file-1": 1}


def test_runs_that_do_not_count(records: SqlRecords) -> None:
    """A job never dies of runs that do not count."""
    add(records, "file-1")
    handler = Recording(lambda *_: Again(0, "The scanner is down.", counts=False))
    _run(records, handler, 10)
    assert len(handler.ran) == 10
    assert records.kept_jobs.jobs(dead=True, limit=5) == []


def test_a_database_that_is_down(records: SqlRecords) -> None:
    """A handler that cannot reach its database has not used up a try."""

    def work(_job: Job, _fence: Fence) -> Outcome:
        raise DatabaseUnavailable("connection refused")

    add(records, "file-1")
    _run(records, Recording(work), LANE.tries + 2)
    (kept,) = records.kept_jobs.jobs(limit=5)
    assert kept.tries == 0
    assert kept.error == "The database is unavailable: connection refused"


def test_dead_at_once(records: SqlRecords) -> None:
    """A job that its handler declares dead does not run again."""
    add(records, "file-1")
    handler = Recording(lambda *_: Dead("The file is gone."))
    _run(records, handler, 3)
    assert len(handler.ran) == 1
    assert effects_of(records) == {}


def test_a_turn_that_is_over(records: SqlRecords, database: Database) -> None:
    """A handler that was overtaken has no effect, and learns about it when it checks."""
    checked: list[bool] = []

    def work(_job: Job, fence: Fence) -> None:
        with database.transaction() as connection:
            connection.execute("UPDATE jobs SET turn = turn + 1")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            time.sleep(0.01)
            try:
                fence.check()
            except TurnLost:
                checked.append(True)
                raise

    add(records, "file-1")
    _run(records, Recording(work), lane=msgspec.structs.replace(LANE, lease_seconds=1.0))
    assert checked == [True]
    assert effects_of(records) == {}


def test_a_job_longer_than_its_lease(records: SqlRecords) -> None:
    """A handler that runs longer than its lease keeps its turn."""
    seen: list[int] = []

    def work(_job: Job, fence: Fence) -> None:
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            time.sleep(0.05)
            fence.check()
            seen.append(records.jobs.put_back("test"))

    add(records, "file-1")
    handler = Recording(work)
    _run(records, handler, lane=msgspec.structs.replace(LANE, lease_seconds=1.0))
    assert set(seen) == {0}
    assert effects_of(records) == {"file-1": 1}


def test_a_turn_that_runs_twice(records: SqlRecords) -> None:
    """A message that an engine delivers twice has its effect once."""
    add(records, "file-1")
    handler = Recording()
    turns = records.jobs.take("test", {"demo": 1}, 60)
    runner = Runner(records.jobs, {"test": LaneOfJobs(LANE, handler)})
    both = threading.Barrier(2)

    def wait(_job: Job, _fence: Fence) -> None:
        both.wait(10)

    handler.work = wait
    threads = [threading.Thread(target=runner.run, args=(turns[0],)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(handler.ran) == 2
    assert effects_of(records) == {"file-1": 1}


@pytest.mark.parametrize("turn", ["unknown", "old"])
def test_a_turn_without_a_job(records: SqlRecords, turn: str) -> None:
    """A message for a job that has ended, or for an older turn, runs no handler."""
    add(records, "file-1")
    (taken,) = records.jobs.take("test", {"demo": 1}, 60)
    handler = Recording()
    runner = Runner(records.jobs, {"test": LaneOfJobs(LANE, handler)})
    runner.run(taken._replace(id="x") if turn == "unknown" else taken._replace(turn=0))
    assert handler.ran == []


def _failing(*_: object) -> None:
    raise ValueError("a wrong row")


@pytest.mark.parametrize(
    "outcome",
    [Done(_failing), Again(0, "later", effects=_failing), Dead("gone", _failing)],
    ids=["done", "again", "dead"],
)
def test_effects_that_fail(records: SqlRecords, database: Database, outcome: Outcome) -> None:
    """A job whose effects raise an error runs again when its lease has expired."""
    outcomes = [outcome]
    handler = Recording(lambda *_: outcomes.pop() if outcomes else None)
    add(records, "file-1")
    _run(records, handler)
    assert effects_of(records) == {}
    with database.transaction() as connection:
        connection.execute("UPDATE jobs SET lease_until = 1")
    _run(records, handler)
    assert [job.turn for job in handler.ran] == [1, 2]
    assert effects_of(records) == {"file-1": 1}


def test_a_turn_that_waited(records: SqlRecords, database: Database) -> None:
    """A turn that waited before it began has a whole lease when its handler runs."""
    leases: list[int | None] = []

    def note_lease(*_: object) -> None:
        (kept,) = records.kept_jobs.jobs(limit=5)
        leases.append(kept.lease_until)

    add(records, "file-1")
    (turn,) = records.jobs.take("test", {"demo": 1}, LANE.lease_seconds)
    note_lease()
    with database.transaction() as connection:
        connection.execute("UPDATE jobs SET lease_until = lease_until - 50000")
    Runner(records.jobs, {"test": LaneOfJobs(LANE, Recording(note_lease))}).run(turn)
    before, after = leases
    assert before is not None
    assert after is not None
    assert after >= before


def test_a_lease_that_ends_before_its_first_renewal(
    records: SqlRecords, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn whose lease expires between its begin and the first renewal runs no handler."""
    begin = records.jobs.begin

    def begin_late(_: object, turn: Turn) -> Job | None:
        job = begin(turn)
        with database.transaction() as connection:
            connection.execute("UPDATE jobs SET lease_until = 1")
        records.jobs.put_back("test")
        return job

    monkeypatch.setattr(type(records.jobs), "begin", begin_late)
    add(records, "file-1")
    handler = Recording()
    _run(records, handler)
    assert handler.ran == []
    assert effects_of(records) == {}
