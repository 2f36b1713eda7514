"""Workers of several replicas on the same data: one works, and another one when it is gone."""

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
    """A worker in a thread of its own, with the names of the threads that swept."""

    thread: threading.Thread
    stop: threading.Event

    def end(self) -> None:
        """Stops it as TERM does."""
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who has swept so far."""
    found: list[str] = []

    def run(_: Sweeper, *, blobs: bool = True) -> Swept:
        assert blobs or found
        found.append(threading.current_thread().name)
        return Swept()

    monkeypatch.setattr(Sweeper, "run", run)
    # However slow the machine is, who works keeps its lease.
    for module in (lease_rows, shared_leases):
        monkeypatch.setattr(module, "LEASE_SECONDS", 600.0)
    return found


def working(name: str, data: Path, url: str) -> Worker:
    """A worker of a replica of this name."""
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
    """Of two workers one does it all, and the other one goes on when it has ended."""
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
