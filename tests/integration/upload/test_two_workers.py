"""Workers of several replicas on the same data: one works, and another one takes over
when the first one ends.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.upload import settings_for
from tests.servers.upload_databases import database_url
from tests.servers.wharf.raw_http import until
from wharf_upload import bootstrap
from wharf_upload.database import lease_rows, shared_leases
from wharf_upload.maintenance.sweeper import Sweeper, Swept

__all__ = ["database_url"]


@dataclass
class Worker:
    """A worker in a separate thread."""

    thread: threading.Thread
    stop: threading.Event

    def end(self) -> None:
        """Stop the worker as SIGTERM does."""
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the sweep, and return a list to which each sweep appends the name of its thread."""
    found: list[str] = []

    def run(_: Sweeper, *, blobs: bool = True) -> Swept:
        assert blobs or found
        found.append(threading.current_thread().name)
        return Swept()

    monkeypatch.setattr(Sweeper, "run", run)
    # On a slow machine the working replica must keep its lease.
    for module in (lease_rows, shared_leases):
        monkeypatch.setattr(module, "LEASE_SECONDS", 600.0)
    return found


def working(name: str, data: Path, url: str) -> Worker:
    """Start a worker of a replica with this name, and return it."""
    settings = settings_for(
        data, instance=name, database_url=url, leases="database", sweep_seconds=0.05
    )
    stop = threading.Event()

    def run() -> None:
        bootstrap.worker_loop(settings, bootstrap.open_backends(settings)).run(stop)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return Worker(thread, stop)


def test_one_works(tmp_path: Path, database_url: str, swept: list[str]) -> None:
    """If two workers run, one does all sweeps. The other one starts sweeping when
    the first one ends.
    """
    first = working("first", tmp_path, database_url)
    assert until(lambda: len(swept) >= 3, 60)
    second = working("second", tmp_path, database_url)
    known = len(swept)
    assert until(lambda: len(swept) >= known + 10, 60)
    assert set(swept) == {"first"}
    first.end()
    assert until(lambda: "second" in swept, 60)
    known = len(swept)
    assert until(lambda: len(swept) >= known + 3, 60)
    assert set(swept[known:]) == {"second"}
    second.end()
