"""Tests of the background loops: their pauses, failures, turns and reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from servicekit.database import DatabaseUnavailable
from servicekit.metric_buffers import MetricBuffer
from tests.servers.rounds import Rounds
from wharf_upload.database.contract import SharedLease
from wharf_upload.domain.quotas import TenantUsage
from wharf_upload.maintenance import own_disk, sweep_metrics, worker_loop
from wharf_upload.maintenance.own_disk import OwnDisk
from wharf_upload.maintenance.sweeper import Swept
from wharf_upload.maintenance.upload_sweeper import SweptUploads
from wharf_upload.maintenance.worker_loop import WorkerLoop
from wharf_upload.maintenance.worker_report import Report
from wharf_upload.storage.base import StoreError

BEGIN = 1_795_000_000.0
TROUBLES = (DatabaseUnavailable("away"), StoreError("away"), OSError(5, "Input/output error"))
USAGE = TenantUsage("demo", 7, 1, None, None)


class Lease:
    """The worker's lease; `lost` is set when another process took it."""

    was_elsewhere = False

    def __init__(self) -> None:
        self.lost = self.released = False

    def is_held(self) -> bool:
        return not self.lost

    def release(self) -> None:
        self.released = True


class World:
    """A clock, leases and tenants for the loops, with runs that take two seconds each."""

    warning_part = 0.9

    def __init__(self) -> None:
        self.now = 0.0
        self.walks: list[bool] = []
        self.troubles: list[Exception] = []
        self.elsewhere = False
        self.leases: list[Lease] = []
        self.surveys = 0
        self.reports: list[Report] = []
        self.then: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return BEGIN + self.now

    def run(self, *, blobs: bool = False) -> Swept:
        self.now += 2
        self.walks.append(blobs)
        self.then()
        if self.troubles:
            raise self.troubles.pop()
        return Swept(expired_files=3, rowless_blobs=1, rowless_bytes=50, failures=1)

    run_own = run

    def sweep_uploads(self) -> SweptUploads:
        return SweptUploads(expired_uploads=2, failures=1)

    def take(
        self, name: str, wanted: Callable[[], None], *, ask: bool = True
    ) -> SharedLease | None:
        assert (name, ask) == ("worker", False)
        wanted()
        if self.elsewhere:
            return None
        self.leases.append(Lease())
        return self.leases[-1]

    def holds(self, name: str) -> bool:
        return bool(self.leases)

    def forget_old(self) -> int:
        return 0

    def usages(self) -> Iterator[TenantUsage]:
        self.surveys += 1
        yield USAGE

    def unfinished(self) -> tuple[int, int]:
        return 4, 44

    def kept(self) -> Iterator[Any]:
        yield from ()

    def publish(self, report: Report) -> None:
        self.reports.append(msgspec.structs.replace(report))

    def worker(self, *, shared: bool = False, seconds: float = 30.0) -> WorkerLoop:
        world: Any = self
        return WorkerLoop(
            world,
            self.sweep_uploads,
            self,
            self,
            leases_are_shared=shared,
            sweep_seconds=seconds,
            metrics_tenants=10,
            publish=self.publish,
        )

    def own_disk(self, *, seconds: float = 30.0) -> OwnDisk:
        world: Any = self
        return OwnDisk(world, self.sweep_uploads, world, world, sweep_seconds=seconds)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world whose clock the loops use, with buffers that nothing exports."""
    found = World()
    clock = SimpleNamespace(monotonic=found.monotonic, time=found.time)
    for module in (worker_loop, own_disk):
        monkeypatch.setattr(module, "time", clock)
    for buffer in ("swept", "sweep_failures", "sweeps"):
        monkeypatch.setattr(sweep_metrics, buffer, MetricBuffer())
    return found


def noted() -> Counter[str]:
    """Return the counts of the sweepers' metrics."""
    found: Counter[str] = Counter()
    for buffer in (sweep_metrics.swept, sweep_metrics.sweep_failures, sweep_metrics.sweeps):
        for labels, amount in buffer.drain():
            found["".join(labels) or "failures"] += int(amount)
    return found


LOOPS = pytest.mark.parametrize("loop", [World.worker, World.own_disk])


@LOOPS
@pytest.mark.parametrize(("seconds", "first"), [(30.0, 1.0), (0.25, 0.25)])
def test_pauses(world: World, loop: Callable[..., Any], seconds: float, first: float) -> None:
    """The first run begins at most a second after the start. Each further run begins after the set
    pause, and at most a second later.
    """
    stop = Rounds(4)
    loop(world, seconds=seconds).run(stop)
    assert stop.pauses == [first, seconds, first, seconds, first]
    assert len(world.walks) == 2


@LOOPS
def test_failures(world: World, loop: Callable[..., Any]) -> None:
    """A run that an error of disk, store or database ends is counted, and the next run follows."""
    world.troubles = list(TROUBLES)
    loop(world).run(Rounds(8))
    found = noted()
    assert (found["failed"], found["done"], len(world.walks)) == (3, 1, 4)


@LOOPS
def test_what_is_counted(world: World, loop: Callable[..., Any]) -> None:
    """Metrics count what each run removed, by kind, and the failures of both sweepers."""
    loop(world).run(Rounds(4))
    assert noted() == {
        "expired_files": 6,
        "rowless_blobs": 2,
        "expired_uploads": 4,
        "failures": 4,
        "done": 2,
    }


def test_reports(world: World) -> None:
    """One report is written before the first run, and one after each run with its results."""
    world.worker().run(Rounds(2))
    before, after = world.reports
    assert before == Report(pause_seconds=30.0)
    assert after == Report(
        pause_seconds=30.0,
        last_success=BEGIN + 2,
        last_duration=2.0,
        tenants=1,
        shown=(USAGE,),
        unfinished_uploads=4,
        reserved_bytes=44,
    )


def test_a_failure_is_reported(world: World) -> None:
    """After a failed run the report still has the time of the last successful run."""
    world.then = lambda: world.troubles.extend(TROUBLES[: len(world.walks) - 1])
    world.worker().run(Rounds(4))
    assert [report.last_success for report in world.reports] == [None, BEGIN + 2, BEGIN + 2]


def test_surveys(world: World) -> None:
    """The worker reads all tenants at most every 15 s, even when its pauses are shorter."""
    worker = world.worker()
    counted = []
    for seconds in (0, 10.5, 0, 0, 11, 0):
        world.now += seconds
        worker.run(Rounds(2))
        counted.append(world.surveys // 2)
    # A run takes two seconds and reads at its end: after 2, 18.5 and 33.5 seconds.
    assert counted == [1, 1, 1, 2, 2, 3]


def test_turns(world: World) -> None:
    """One of several workers works.

    A worker without a turn, or one that lost its turn, asks for a turn.
    """
    elsewhere = [True, True, False, False, True, False]
    lost = [False, False, False, True, False, False]
    worker, seen = world.worker(shared=True), []

    class Turns(Rounds):
        """Rounds that set the state before each run."""

        def wait(self, timeout: float | None = None) -> bool:
            if len(self.pauses) % 2 == 0 and elsewhere:
                seen.append(len(world.walks))
                world.elsewhere = elsewhere.pop(0)
                if lost.pop(0):
                    world.leases[-1].lost = True
            return super().wait(timeout)

    worker.run(Turns(12))
    # The number of runs before each round: in the fifth the worker keeps its turn.
    assert seen == [0, 0, 0, 1, 2, 3]
    assert len(world.walks) == 4
    assert [lease.released for lease in world.leases] == [False, True]


def test_a_report_of_a_worker_that_waits(world: World) -> None:
    """A worker that waits for its turn reports success, and no tenants."""
    world.now, world.elsewhere = 5.0, True
    world.worker(shared=True).run(Rounds(2))
    assert world.reports[-1] == Report(pause_seconds=30.0, last_success=BEGIN + 5)
    assert (world.walks, world.surveys) == ([], 0)
    assert noted() == {}


def test_one_worker_alone(world: World) -> None:
    """A worker that shares nothing does not ask for a turn."""
    world.elsewhere = True
    world.worker().run(Rounds(2))
    assert (len(world.walks), world.leases) == (1, [])
