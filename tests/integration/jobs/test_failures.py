"""Jobs survive what kills and stops processes, and each has its effect once."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Sequence

import pytest
from redis import Redis

from tests.integration.jobs.conftest import SECONDS, Processes
from tests.servers.job_process import AT_ONCE
from tests.servers.jobs import add
from tests.servers.wharf.raw_http import until
from wharf_upload.database.sql import SqlRecords
from wharf_upload.notices.places import redis_url

JOBS = 1000
SUBJECTS = [str(number) for number in range(JOBS)]
ONLY_DRAMATIQ = pytest.mark.parametrize("processes", ["dramatiq"], indirect=True)


@pytest.fixture
def thousand(records: SqlRecords) -> None:
    """Add a thousand jobs of ten shares."""
    for share in range(10):
        add(records, *SUBJECTS[share::10], share=f"share-{share}")


def once(processes: Processes, subjects: Sequence[str] = SUBJECTS) -> None:
    """Check that all jobs have ended, and that the job of each subject had its effect once."""
    processes.await_end()
    assert processes.effects() == dict.fromkeys(subjects, 1)


@pytest.mark.usefixtures("thousand")
def test_a_killed_runner(processes: Processes) -> None:
    """No job is lost when the process that runs jobs is killed, and each has its effect once."""
    _, runner = processes.start_all()
    processes.await_effects(JOBS // 4)
    runner.kill()
    processes.start("worker" if processes.engine == "threads" else "jobs")
    once(processes)


@ONLY_DRAMATIQ
@pytest.mark.usefixtures("thousand")
def test_a_killed_dispatcher(processes: Processes) -> None:
    """No job is lost when the dispatcher is killed and another one starts."""
    dispatcher, _ = processes.start_all()
    processes.await_effects(JOBS // 4)
    dispatcher.kill()
    processes.start("worker")
    once(processes)


@ONLY_DRAMATIQ
@pytest.mark.usefixtures("thousand")
def test_a_flushed_redis(processes: Processes) -> None:
    """No job is lost when Redis loses its data twice."""
    processes.start_all()
    with Redis.from_url(redis_url(processes.redis.url)) as client:
        for part in (JOBS // 4, JOBS // 2):
            processes.await_effects(part)
            client.flushall()
    once(processes)


@ONLY_DRAMATIQ
@pytest.mark.usefixtures("thousand")
def test_a_restarted_redis(processes: Processes) -> None:
    """No job is lost when Redis ends and starts again without data."""
    processes.start_all()
    processes.await_effects(JOBS // 4)
    processes.redis.stop()
    processes.redis.start()
    once(processes)


def test_a_process_that_sleeps(processes: Processes, records: SqlRecords) -> None:
    """A job has its effect once, although a process stops during its run for longer than the
    lease, and wakes after another process has run the job again.
    """
    add(records, "held")
    _, sleeper = processes.start_all()
    assert until(lambda: len(processes.runs()) == 1, SECONDS)
    sleeper.send_signal(signal.SIGSTOP)
    processes.start("worker" if processes.engine == "threads" else "jobs")
    processes.await_effects(1)
    processes.go()
    sleeper.send_signal(signal.SIGCONT)
    add(records, *SUBJECTS[:20])
    processes.await_effects(21)
    sleeper.terminate()
    assert sleeper.wait(SECONDS) == 0
    first, *others = [(turn, process) for name, turn, process in processes.runs() if name == "held"]
    assert first[1] == sleeper.pid
    assert others
    assert all(turn > first[0] for turn, _ in others)
    assert processes.effects() == dict.fromkeys(["held", *SUBJECTS[:20]], 1)


@pytest.mark.usefixtures("thousand")
def test_an_end(processes: Processes, records: SqlRecords) -> None:
    """A process that gets TERM ends with 0, and leaves no job of its own with a lease."""
    dispatcher, runner = processes.start_all()
    processes.await_effects(JOBS // 4)
    dispatcher.terminate()
    assert dispatcher.wait(SECONDS) == 0
    if runner is not dispatcher:
        # The turns in Redis run before the runner ends.
        assert until(lambda: not records.jobs.taken("test"), SECONDS)
        runner.terminate()
        assert runner.wait(SECONDS) == 0
    assert not records.jobs.taken("test")
    left = records.kept_jobs.jobs(limit=JOBS)
    assert len(left) == JOBS - len(processes.effects())
    assert {job.tries for job in left} == {0}
    processes.start_all()
    once(processes)
    assert len(processes.runs()) == JOBS


@ONLY_DRAMATIQ
def test_one_of_two_ends(processes: Processes, records: SqlRecords) -> None:
    """When one of two processes ends at TERM, the other one runs its jobs."""
    _, first = processes.start_all()
    other = processes.start("jobs")
    warm_up = itertools.count()

    def both_run() -> bool:
        add(records, f"warm-up-{next(warm_up)}")
        return {process for _, _, process in processes.runs()} == {first.pid, other.pid}

    assert until(both_run, SECONDS)
    add(records, *SUBJECTS)
    processes.await_effects(JOBS // 4)
    first.terminate()
    assert first.wait(SECONDS) == 0
    added = [f"warm-up-{number}" for number in range(next(warm_up))]
    once(processes, [*SUBJECTS, *added])


@ONLY_DRAMATIQ
def test_nobody_runs_jobs(processes: Processes, records: SqlRecords) -> None:
    """While no process runs jobs, a job uses up no try."""
    with Redis.from_url(redis_url(processes.redis.url)) as client:
        client.flushall()
    add(records, "1")
    processes.start("worker")

    def is_given_back() -> bool:
        (job,) = records.kept_jobs.jobs(limit=1)
        return job.turn >= 3 and job.tries == 0

    assert until(is_given_back, SECONDS)
    processes.start("jobs")
    processes.await_end()
    assert len(processes.runs()) == 1


def test_a_share_with_many_jobs(processes: Processes, records: SqlRecords) -> None:
    """A job begins within a few turns, although another share has 20,000 jobs that wait."""
    add(records, *(f"many-{number}" for number in range(20_000)), share="a")
    processes.start_all()
    processes.await_effects(20)
    add(records, "one", share="b")
    before = len(processes.runs())
    assert until(lambda: "one" in processes.effects(), SECONDS)
    ran = [subject for subject, _, _ in processes.runs()]
    # Jobs that were taken before, the turn under way, and at most two more.
    assert ran.index("one") - before <= 4 * AT_ONCE
