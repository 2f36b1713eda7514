"""Tests of the executor of long work: the order of tenants, and their shares of threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.servers.wharf.raw_http import until
from wharf_upload.streaming.fair_executor import FairExecutor

PATIENCE_SECONDS = 60.0


class Bench:
    """An executor, and work that runs until `go` is set."""

    def __init__(self, threads: int) -> None:
        self.executor = FairExecutor(threads, "test")
        self.begun: list[str] = []
        self.go = threading.Event()

    def hold(self, tenant: str, number: int = 1) -> None:
        """Submit work that runs until `go` is set."""
        for _ in range(number):
            self.executor.submit(tenant, lambda: self._run(tenant))

    def note(self, tenant: str) -> None:
        """Submit work that ends immediately."""
        self.executor.submit(tenant, lambda: self.begun.append(tenant))

    def _run(self, tenant: str) -> None:
        self.begun.append(tenant)
        assert self.go.wait(PATIENCE_SECONDS)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Yield a bench with four threads."""
    found = Bench(4)
    yield found
    found.go.set()
    found.executor.shutdown()


def test_one_tenant_has_half_of_the_threads(bench: Bench) -> None:
    """A tenant with much work gets half of the threads, so another tenant's work begins."""
    bench.hold("many", 50)
    assert until(lambda: bench.begun == ["many"] * 2)
    bench.note("other")
    assert until(lambda: "other" in bench.begun)
    assert bench.begun == ["many", "many", "other"]
    assert (bench.executor.running, bench.executor.waiting) == (2, 48)


def test_tenants_take_turns() -> None:
    """Waiting tenants take turns: the first work of every tenant precedes all second work."""
    bench = Bench(1)
    bench.hold("first")
    assert until(lambda: bench.begun == ["first"])
    for tenant in ("a", "a", "a", "b", "b", "c"):
        bench.note(tenant)
    bench.go.set()
    bench.executor.shutdown()
    assert bench.begun == ["first", "a", "b", "c", "a", "b", "a"]


def test_work_that_fails(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Failing work is logged, and neither its thread nor its tenant's share is lost."""

    def fail() -> None:
        raise ValueError("broken")

    for _ in range(10):
        bench.executor.submit("a", fail)
    bench.note("a")
    assert until(lambda: bench.begun == ["a"])
    assert until(lambda: bench.executor.running == 0)
    assert "a piece of work failed" in caplog.text


def test_what_was_submitted_is_done_before_the_end() -> None:
    """A shutdown returns when all work is done, even work beyond a tenant's share."""
    bench = Bench(1)
    bench.hold("a", 3)
    bench.hold("b", 2)
    bench.go.set()
    bench.executor.shutdown()
    assert sorted(bench.begun) == ["a", "a", "a", "b", "b"]
