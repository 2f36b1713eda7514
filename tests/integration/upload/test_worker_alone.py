"""`wharf-upload worker`, a separate process that may run far from each service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from servicekit.database import open_database
from tests.servers.exposition import Exposition
from tests.servers.feed import FakeFeed, serving_feed
from tests.servers.ports import free_port
from tests.servers.upload import new_file
from tests.servers.upload_databases import database_url
from tests.servers.wharf.raw_http import until
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write

__all__ = ["database_url"]
_SECONDS = 60.0


@contextmanager
def worker(data: Path, url: str, feed_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Yield the process, and afterwards stop it with SIGTERM, as an operator does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHARF_")}
    settings = {
        "WHARF_DATA": str(data),
        "WHARF_DATABASE_URL": url,
        "WHARF_FEED_URL": feed_url,
        "WHARF_INSTANCE": "far",
        "WHARF_SWEEP_SECONDS": "1",
        "WHARF_WORKER_METRICS_PORT": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", "from wharf_upload.cli import main; main()", "worker"],
        env={**kept, **settings},
    )
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(_SECONDS) == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_purges_what_it_hears_of(tmp_path: Path, database_url: str) -> None:
    """The worker follows auth's feed: it removes the files of a purged tenant, and of no other."""
    database = open_database(database_url, durable=False)
    records = SqlRecords(database)
    for tenant in ("gone", "there"):
        records.write(Write(files=(new_file("file", tenant=tenant),)))
    feed = FakeFeed()
    feed.add("tenant", "purged", tenant="gone")
    with serving_feed(feed) as server, worker(tmp_path, database_url, server.url):
        assert until(lambda: records.usage("gone").files == 0, _SECONDS)
        assert until((tmp_path / "replicas" / "worker-far").exists, _SECONDS)
        heard = tmp_path / "upload" / "worker-far" / "revocations.jsonl"
        assert heard.exists()
    assert records.usage("there").files == 1
    database.close()


def test_the_worker_has_a_port(upload_data: Path, tmp_path: Path) -> None:
    """`wharf-upload worker` exports the metrics of its sweeps and of its process on its own port,
    and no metrics of HTTP requests.
    """
    port = free_port()
    environ = {
        **os.environ,
        "WHARF_DATA": str(upload_data),
        "WHARF_SWEEP_SECONDS": "1",
        "WHARF_WORKER_METRICS_PORT": str(port),
        # The image does not have this folder either.
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "absent"),
    }
    command = [sys.executable, "-c", "from wharf_upload.cli import main; main()", "worker"]
    with subprocess.Popen(command, env=environ) as worker:

        def page() -> Exposition | None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
                    return Exposition(reply.read().decode())
            except OSError:
                return None

        def done() -> bool:
            found = page()
            return found is not None and found.sum("wharf_sweeper_runs_total", result="done") >= 2

        try:
            assert until(done)
            found = page()
            assert found is not None
            assert found.values("wharf_sweeper_pause_seconds") == [1]
            assert found.sum("wharf_sweeper_last_success_timestamp_seconds") > 0
            assert found.sum("wharf_build_info", service="worker") == 1
            assert found.sum("wharf_process_cpu_seconds_total") > 0
            assert not [name for name in found.families if name.startswith("wharf_http")]
        finally:
            worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
