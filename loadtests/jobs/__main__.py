"""The rate at which each engine runs jobs, on each database.

python -m loadtests.jobs [--jobs 3000] [--rounds 3] [--at-once 16]

The jobs belong to ten shares of the lane `test` of `tests.servers.job_process`. A job waits for
2 ms, and its end writes one row. With the engine `dramatiq`, the dispatcher and the process that
runs jobs are two processes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median

from servicekit.database import open_database
from servicekit.database.migrating import upgrade
from tests.servers.jobs import add
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.servers.upload import MIGRATIONS
from tests.servers.wharf.instance import ROOT
from tests.servers.wharf.raw_http import until
from wharf_upload.database.sql import SqlRecords

_ROLES = {"threads": ("worker",), "dramatiq": ("jobs", "worker")}
_SHARES = 10
_STOP_SECONDS, _RUN_SECONDS = 30.0, 300.0
# The server keeps its data on a disk, as the SQLite file does.
_SETTINGS = ("shared_buffers=128MB",)


@contextmanager
def processes(engine: str, at_once: int, folder: Path, url: str, redis: str) -> Iterator[None]:
    """Run the processes of an engine during a block."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("WHARF_")}
    environ = {
        **kept,
        "WHARF_DATA": str(folder),
        "WHARF_DATABASE_URL": url,
        "WHARF_DURABILITY": "relaxed",
        "WHARF_JOBS_ENGINE": engine,
        "WHARF_JOBS_URL": redis,
    }
    command = [sys.executable, "-m", "tests.servers.job_process"]
    children = [
        subprocess.Popen([*command, role, str(at_once)], cwd=ROOT, env=environ)
        for role in _ROLES[engine]
    ]
    try:
        yield
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait(_STOP_SECONDS)


def per_second(engine: str, url: str, redis: str, told: argparse.Namespace) -> float:
    """Return how many jobs a second begin, from the first one to the last one."""
    upgrade(url, MIGRATIONS)
    with closing(open_database(url, durable=False)) as database:
        for share in range(_SHARES):
            subjects = (str(number) for number in range(share, told.jobs, _SHARES))
            add(SqlRecords(database), *subjects, share=f"share-{share}")
    folder = Path(tempfile.mkdtemp(prefix="wharf-jobs-"))
    runs = folder / "runs"

    def begun() -> int:
        return runs.read_bytes().count(b"\n") if runs.exists() else 0

    try:
        with processes(engine, told.at_once, folder, url, redis):
            assert until(begun, _RUN_SECONDS), "no job has begun"
            before, at = begun(), time.monotonic()
            assert until(lambda: begun() >= told.jobs, _RUN_SECONDS), "not all jobs have begun"
            return int(told.jobs - before) / (time.monotonic() - at)
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=16, help="jobs that run at the same time")
    told = parser.parse_args()
    rates: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        work = Path(tempfile.mkdtemp(prefix="wharf-jobs-"))
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        work.chmod(0o755)  # PostgreSQL runs as another user
        (work / "postgres").mkdir()
        postgres = PostgresServer(work / "postgres", _SETTINGS)
        stack.callback(postgres.stop)
        redis = RedisServer(work)
        stack.callback(redis.stop)
        for turn, engine in itertools.product(range(told.rounds), _ROLES):
            file = work / f"{engine}-{turn}.db"
            urls = {"SQLite": f"sqlite:///{file}", "PostgreSQL": postgres.new_database()}
            for name, url in urls.items():
                rate = per_second(engine, url, redis.url, told)
                rates.setdefault((engine, name), []).append(rate)
    print(f"| jobs a second, median of {told.rounds} | SQLite | PostgreSQL |\n| --- | --- | --- |")
    for engine in _ROLES:
        cells = (f"{median(rates[engine, name]):,.0f}" for name in ("SQLite", "PostgreSQL"))
        print(f"| `{engine}` | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
