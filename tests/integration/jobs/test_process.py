"""The processes `wharf-upload worker` and `wharf-upload jobs`, as an operator starts them."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.integration.jobs.conftest import SECONDS
from tests.servers.exposition import Exposition
from tests.servers.ports import free_port
from tests.servers.redis import RedisServer
from tests.servers.wharf.raw_http import until
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.jobs import NewJob


class Command:
    """A running command `wharf-upload` with a metrics port."""

    def __init__(self, name: str, environ: dict[str, str]) -> None:
        self._port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from wharf_upload.cli import main; main()", name],
            env={**environ, "WHARF_WORKER_METRICS_PORT": str(self._port)},
        )

    def sum(self, metric: str, **labels: str) -> float:
        """Return the sum of a metric's samples, 0 before the port responds."""
        return self._page().sum(metric, **labels)

    def lanes(self, metric: str) -> int:
        """Return the number of lanes that a metric has."""
        return len(self._page().values(metric))

    def _page(self) -> Exposition:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics") as reply:
                return Exposition(reply.read().decode())
        except OSError:
            return Exposition("")

    def end(self) -> int:
        """Stop the process as an operator does, and return its exit code."""
        self.process.terminate()
        return self.process.wait(SECONDS)


def environ(folder: Path, url: str, **settings: str) -> dict[str, str]:
    """Return the environment of the processes."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("WHARF_")}
    return {
        **kept,
        "WHARF_DATA": str(folder),
        "WHARF_DATABASE_URL": url,
        "WHARF_FEED_URL": "http://127.0.0.1:9/feed",
        **settings,
    }


def add(records: SqlRecords, number: int) -> None:
    """Add jobs for replays that do not exist; their handler has nothing to do."""
    records.jobs.add(
        [NewJob(lane="bulk", tenant="demo", subject=f"none/{one}") for one in range(number)]
    )


def test_both_processes(
    tmp_path: Path, database_url: str, redis_server: RedisServer, records: SqlRecords
) -> None:
    """The worker sends jobs through Redis, `wharf-upload jobs` runs them, each counts its part, and
    both end with 0 at TERM.
    """
    settings = {"WHARF_JOBS_ENGINE": "dramatiq", "WHARF_JOBS_URL": redis_server.url}
    env = environ(tmp_path, database_url, **settings)
    add(records, 3)
    worker, runner = Command("worker", env), Command("jobs", env)
    try:
        assert until(lambda: runner.sum("wharf_jobs_done_total", lane="bulk") == 3, SECONDS)
        assert runner.sum("wharf_build_info", service="jobs") == 1
        assert runner.sum("wharf_jobs_duration_seconds_count", lane="bulk") == 3
        assert until(lambda: worker.sum("wharf_build_info", service="worker") == 1, SECONDS)
        assert worker.sum("wharf_jobs_done_total", lane="bulk") == 0
        assert not records.kept_jobs.jobs(limit=1)
    finally:
        ends = [runner.end(), worker.end()]
    assert ends == [0, 0]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_alone(tmp_path: Path, database_url: str, records: SqlRecords) -> None:
    """With the engine `threads` the worker runs the jobs, and exports the states of all lanes."""
    add(records, 2)
    worker = Command("worker", environ(tmp_path, database_url))
    try:
        assert until(lambda: worker.sum("wharf_jobs_done_total", lane="bulk") == 2, SECONDS)
        assert until(lambda: worker.lanes("wharf_jobs_oldest_seconds") == 2, SECONDS)
    finally:
        assert worker.end() == 0
