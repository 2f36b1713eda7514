"""Processes that run jobs, on each database and each engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.servers.jobs import effects_of
from tests.servers.postgres import postgres
from tests.servers.redis import RedisServer, redis_server
from tests.servers.upload import upload_template
from tests.servers.upload_databases import database, database_url, records
from tests.servers.wharf.raw_http import until
from wharf_upload.database.sql import SqlRecords

__all__ = [
    "database",
    "database_url",
    "postgres",
    "records",
    "redis_server",
    "upload_template",
]
SECONDS = 120.0
Process = subprocess.Popen[bytes]


class Processes:
    """The processes of one engine on one database, and what they have done so far."""

    def __init__(
        self, engine: str, folder: Path, url: str, redis: RedisServer, records: SqlRecords
    ) -> None:
        self.engine, self.redis, self._folder, self._records = engine, redis, folder, records
        self._running: list[Process] = []
        kept = {name: text for name, text in os.environ.items() if not name.startswith("WHARF_")}
        self._environ = {
            **kept,
            "WHARF_DATA": str(folder),
            "WHARF_DATABASE_URL": url,
            "WHARF_DURABILITY": "relaxed",
            "WHARF_JOBS_ENGINE": engine,
            "WHARF_JOBS_URL": redis.url,
        }

    def start(self, role: str) -> Process:
        """Start a process: `worker`, which dispatches, or `jobs`, which runs jobs."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.job_process", role], env=self._environ
        )
        self._running.append(process)
        return process

    def start_all(self) -> tuple[Process, Process]:
        """Start a dispatcher and a runner, which with the engine `threads` are one process."""
        runner = self.start("worker" if self.engine == "threads" else "jobs")
        return (runner if self.engine == "threads" else self.start("worker")), runner

    def effects(self) -> Counter[str]:
        """Return how often each subject had its effect."""
        return effects_of(self._records)

    def runs(self) -> list[tuple[str, int, int]]:
        """Return the runs of handlers in order: subject, turn and process."""
        try:
            lines = (self._folder / "runs").read_text().splitlines()
        except FileNotFoundError:
            return []
        found = (line.split() for line in lines)
        return [(subject, int(turn), int(process)) for subject, turn, process in found]

    def go(self) -> None:
        """Let jobs with a subject `held…` end."""
        (self._folder / "go").touch()

    def await_effects(self, number: int) -> None:
        """Wait until so many jobs had their effect."""
        assert until(lambda: len(self.effects()) >= number, SECONDS)

    def await_end(self) -> None:
        """Wait until there are no jobs."""
        assert until(lambda: not self._records.kept_jobs.jobs(limit=1), SECONDS)
        assert not self._records.kept_jobs.jobs(dead=True, limit=1)

    def end(self) -> None:
        """Kill all processes."""
        for process in self._running:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.fixture(params=["threads", "dramatiq"])
def processes(
    request: pytest.FixtureRequest,
    database_url: str,
    tmp_path: Path,
    redis_server: RedisServer,
    records: SqlRecords,
) -> Iterator[Processes]:
    """Yield the starter of processes."""
    found = Processes(request.param, tmp_path, database_url, redis_server, records)
    yield found
    found.end()
