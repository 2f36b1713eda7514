"""The rows of jobs: adding, taking, fencing by turns, and ending."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from servicekit.database import Connection, Database
from tests.servers.upload import new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.database.unit_of_work import UnitOfWork
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.jobs import Job, NewJob, Turn, TurnLost
from wharf_upload.domain.refusals import KeyTaken, Refused

_LEASE_SECONDS = 600.0


def _add(records: SqlRecords, *subjects: str, share: str = "", **fields: Any) -> None:
    records.jobs.add(
        [
            NewJob(lane="scan", tenant="demo", share=share, subject=subject, **fields)
            for subject in subjects
        ]
    )


def _take(records: SqlRecords, share: str = "demo", room: int = 1) -> list[Turn]:
    return records.jobs.take("scan", {share: room}, _LEASE_SECONDS)


def _taken(records: SqlRecords, share: str = "demo") -> Job:
    (turn,) = _take(records, share)
    job = records.jobs.begin(turn)
    assert job is not None
    return job


def _expire(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("UPDATE jobs SET lease_until = 1 WHERE lane = 'scan' AND turn > 0")


def test_a_taken_job(records: SqlRecords) -> None:
    """A taken job has the fields that it was added with, its first turn and its first try."""
    _add(records, "file-1", share="endpoint-1")
    job = _taken(records, "endpoint-1")
    assert (job.lane, job.tenant, job.share, job.subject) == (
        *("scan", "demo", "endpoint-1", "file-1"),
    )
    assert (job.turn, job.tries) == (1, 1)


def test_a_taken_job_is_not_taken_again(records: SqlRecords) -> None:
    """A job with a lease that holds is neither taken again nor counted as waiting."""
    _add(records, "file-1")
    assert len(_take(records, room=5)) == 1
    assert _take(records, room=5) == []
    assert records.jobs.waiting_shares("scan", "", 10) == []
    assert records.jobs.taken("scan") == {"demo": 1}


def test_room(records: SqlRecords) -> None:
    """A taking takes the oldest jobs of each share, as many as the share has room for."""
    _add(records, "a1", "a2", share="a")
    _add(records, "a3", share="a")
    _add(records, "b1", "b2", share="b")
    turns = records.jobs.take("scan", {"a": 2, "b": 1, "c": 4, "d": 0}, _LEASE_SECONDS)
    jobs = [records.jobs.begin(turn) for turn in turns]
    subjects = {job.subject for job in jobs if job}
    assert len(jobs) == 3
    assert len(subjects & {"a1", "a2", "a3"}) == 2
    assert len(subjects & {"b1", "b2"}) == 1
    assert records.jobs.taken("scan") == {"a": 2, "b": 1}


def test_a_job_for_later(records: SqlRecords) -> None:
    """A job that may run only later is not taken, and its share is not due."""
    _add(records, "later", after_seconds=3600)
    assert _take(records) == []
    (share,) = records.jobs.waiting_shares("scan", "", 10)
    assert share.share == "demo"
    assert -3600 <= share.due_seconds < -3000


def test_lanes_are_apart(records: SqlRecords) -> None:
    """A lane neither takes nor counts the jobs of another lane."""
    _add(records, "file-1")
    assert records.jobs.take("bulk", {"demo": 5}, _LEASE_SECONDS) == []
    assert records.jobs.waiting_shares("bulk", "", 10) == []


def test_pages_of_shares(records: SqlRecords) -> None:
    """Shares with waiting jobs are in order of their names, in pages after a name."""
    for share in ("b", "a", "c", "a"):
        _add(records, f"of-{share}", share=share)
    shares = records.jobs.waiting_shares
    assert [found.share for found in shares("scan", "", 2)] == ["a", "b"]
    assert [found.share for found in shares("scan", "b", 2)] == ["c"]
    assert shares("scan", "c", 2) == []


def test_done(records: SqlRecords, database: Database) -> None:
    """A job that is done has no row, and its effects are in the same commit."""
    _add(records, "file-1")

    def effects(connection: Connection, _: UnitOfWork) -> None:
        assert connection.rows("SELECT subject FROM jobs WHERE lease_until IS NOT NULL")
        connection.execute("INSERT INTO swept_hours (place, until) VALUES ('effect', 1)")

    records.jobs.done(_taken(records), effects)
    assert records.swept_until("effect") == 1
    assert database.reading().rows("SELECT id FROM jobs WHERE tenant = 'demo'") == []


def test_refused_effects(records: SqlRecords) -> None:
    """A job whose effects refuse keeps its row and its turn."""
    _add(records, "file-1")
    job = _taken(records)

    def effects(_connection: Connection, _unit: UnitOfWork) -> None:
        raise KeyTaken("a.txt")

    with pytest.raises(KeyTaken):
        records.jobs.done(job, effects)
    assert records.jobs.begin(Turn(job.id, job.turn)) == job


@pytest.mark.parametrize("end", ["done", "again", "bury"])
def test_an_old_turn(records: SqlRecords, database: Database, end: str) -> None:
    """A turn whose job was taken again cannot end the job, and has no effects."""
    _add(records, "file-1")
    old = _taken(records)
    _expire(database)
    assert records.jobs.put_back("scan") == 1
    new = _taken(records)
    assert new.turn == 2
    ran = []
    more = {"done": (), "again": (1.0, "why"), "bury": ("why",)}[end]
    with pytest.raises(TurnLost):
        getattr(records.jobs, end)(old, *more, effects=lambda *_: ran.append(1))
    assert ran == []
    assert records.jobs.begin(Turn(new.id, new.turn)) == new
    assert records.jobs.begin(Turn(old.id, old.turn)) is None


def test_an_expired_lease(records: SqlRecords, database: Database) -> None:
    """A turn whose lease has expired does not begin, even if no process has taken the job since."""
    _add(records, "file-1")
    (turn,) = _take(records)
    _expire(database)
    assert records.jobs.begin(turn) is None


def test_turns_that_did_not_begin(records: SqlRecords) -> None:
    """Released turns wait again immediately, and the taking counts as no try."""
    _add(records, "file-1")
    (turn,) = _take(records)
    records.jobs.release([turn, Turn("unknown", 1), Turn(turn.id, 7)])
    job = _taken(records)
    assert (job.turn, job.tries) == (2, 1)


def test_put_back_leaves_leases_that_hold(records: SqlRecords) -> None:
    """A job with a lease that holds is not put back."""
    _add(records, "file-1")
    (turn,) = _take(records)
    assert records.jobs.put_back("scan") == 0
    assert records.jobs.begin(turn) is not None


def test_renewal(records: SqlRecords, database: Database) -> None:
    """A renewal extends the leases of turns that are not over, and names these turns."""
    _add(records, "file-1", "file-2")
    held, over = _take(records, room=2)
    _expire(database)
    over = Turn(over.id, over.turn - 1)
    assert records.jobs.renew([held, over], _LEASE_SECONDS) == {held}
    assert records.jobs.put_back("scan") == 1
    assert records.jobs.begin(held) is not None


def test_again(records: SqlRecords) -> None:
    """A job that runs again waits for the given time and keeps the reason."""
    _add(records, "file-1")
    records.jobs.again(_taken(records), 3600, "The scanner is down.")
    assert _take(records) == []
    (kept,) = records.kept_jobs.jobs(tenant="demo", limit=5)
    assert (kept.turn, kept.tries, kept.lease_until) == (1, 1, None)
    assert kept.error == "The scanner is down."
    assert kept.run_at - kept.created_at >= 3600 * 1000


def test_a_run_that_does_not_count(records: SqlRecords) -> None:
    """A run that does not count adds a turn but no try."""
    _add(records, "file-1")
    records.jobs.again(_taken(records), 0, "The scanner is down.", counts=False)
    job = _taken(records)
    assert (job.turn, job.tries) == (2, 1)


def test_dead_jobs(records: SqlRecords) -> None:
    """A dead job does not wait, is listed with its reason, and runs again after a retry."""
    _add(records, "file-1")
    job = _taken(records)
    records.jobs.bury(job, "The file is gone.")
    assert records.kept_jobs.jobs(tenant="demo", limit=5) == []
    (dead,) = records.kept_jobs.jobs(tenant="demo", dead=True, limit=5)
    assert (dead.id, dead.error, dead.turn) == (job.id, "The file is gone.", 1)
    assert dead.died_at is not None
    assert dead.died_at >= dead.created_at
    assert records.kept_jobs.retry(ids=[job.id, "unknown"]) == 1
    assert records.kept_jobs.jobs(tenant="demo", dead=True, limit=5) == []
    again = _taken(records)
    assert (again.id, again.turn, again.tries) == (job.id, 2, 1)


def test_retry_and_drop_by_filter(records: SqlRecords) -> None:
    """Retrying and dropping change all jobs of the given lane and tenant, and no other jobs."""
    for lane, tenant in (("scan", "demo"), ("bulk", "demo"), ("scan", "other"), ("scan", "demo")):
        records.jobs.add([NewJob(lane=lane, tenant=tenant, subject="x")])
    kept = records.kept_jobs
    assert kept.drop(lane="scan", tenant="demo") == 2
    for lane, tenant in (("bulk", "demo"), ("scan", "other")):
        (turn,) = records.jobs.take(lane, {tenant: 1}, _LEASE_SECONDS)
        job = records.jobs.begin(turn)
        assert job is not None
        records.jobs.bury(job, "why")
    assert kept.drop(lane="bulk", tenant="other", dead=True) == 0
    assert kept.retry(tenant="other") == 1
    assert [job.lane for job in kept.jobs(tenant="demo", dead=True, limit=5)] == ["bulk"]
    assert kept.drop(tenant="demo", dead=True) == 1


def test_a_dropped_job(records: SqlRecords) -> None:
    """The handler of a job that is dropped during the run loses its turn."""
    _add(records, "file-1")
    job = _taken(records)
    assert records.kept_jobs.drop(ids=[job.id]) == 1
    with pytest.raises(TurnLost):
        records.jobs.done(job)


@pytest.mark.usefixtures("all_tenants")
def test_forgotten_dead_jobs(records: SqlRecords) -> None:
    """Dead jobs are forgotten by the time of their death."""
    _add(records, "file-1")
    records.jobs.bury(_taken(records), "why")
    (dead,) = records.kept_jobs.jobs(tenant="demo", dead=True, limit=5)
    assert dead.died_at is not None
    assert records.kept_jobs.forget_dead(dead.died_at) == 0
    assert records.kept_jobs.forget_dead(dead.died_at + 1) == 1


def test_pages_of_jobs(records: SqlRecords) -> None:
    """Operators see jobs in the order in which they were added, in pages after an id."""
    _add(records, "1")
    _add(records, "2")
    _add(records, "3")
    first = records.kept_jobs.jobs(tenant="demo", limit=2)
    rest = records.kept_jobs.jobs(tenant="demo", after=first[-1].id, limit=2)
    assert sorted(job.subject for job in (*first, *rest)) == ["1", "2", "3"]
    assert [job.id for job in (*first, *rest)] == sorted(job.id for job in (*first, *rest))


@pytest.mark.usefixtures("all_tenants")
def test_the_state_of_a_lane(records: SqlRecords, database: Database) -> None:
    """The state counts waiting, taken and dead jobs; the oldest due job gives the wait."""
    _add(records, "dead")
    records.jobs.bury(_taken(records), "why")
    _add(records, "taken")
    _take(records)
    _add(records, "1", "2", share="a")
    _add(records, "later", share="b", after_seconds=3600)
    with database.transaction() as connection:
        connection.execute("UPDATE jobs SET run_at = run_at - 90000 WHERE subject = '2'")
    state = records.kept_jobs.state("scan")
    assert (state.waiting, state.taken, state.dead) == (3, 1, 1)
    assert 90 <= state.oldest_seconds < 600
    empty = records.kept_jobs.state("bulk")
    assert (empty.waiting, empty.taken, empty.dead, empty.oldest_seconds) == (0, 0, 0, 0)


def test_a_commit_that_fails(records: SqlRecords) -> None:
    """A change that fails leaves no job."""
    records.write(Write(files=(new_file("a.txt"),), on_conflict="error"))

    def change(_: Connection, unit: UnitOfWork) -> None:
        unit.jobs.append(NewJob(lane="scan", tenant="demo", subject="x"))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        records._group.run("demo", change)
    assert records.kept_jobs.jobs(tenant="demo", limit=5) == []


def test_takers_at_the_same_time(records: SqlRecords) -> None:
    """No job is taken twice by dispatchers that take at the same time."""
    _add(records, *(str(number) for number in range(60)))

    def take(_: int) -> list[Turn]:
        try:
            return _take(records, room=5)
        finally:
            records.database.leave()

    with ThreadPoolExecutor(4) as pool:
        turns = [turn for taken in pool.map(take, range(24)) for turn in taken]
    assert len(turns) == len({turn.id for turn in turns}) == 60


def test_enders_at_the_same_time(records: SqlRecords) -> None:
    """Of several threads that end the same turn, one makes its effects and the others lose it."""
    _add(records, "file-1")
    job = _taken(records)
    ran: list[int] = []

    def end(number: int) -> bool:
        try:
            records.jobs.done(job, lambda *_: ran.append(number))
        except Refused:
            return False
        finally:
            records.database.leave()
        return True

    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(end, range(4)))
    assert ended.count(True) == len(ran) == 1
