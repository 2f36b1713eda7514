"""A worker that is a process of its own: its metrics, its report."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.database import open_database
from tests.servers.exposition import Exposition
from tests.servers.upload import UploadService
from tests.servers.wharf.raw_http import until
from wharf_upload.database.overview import SqlOverview
from wharf_upload.domain.quotas import Quota
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.maintenance.worker_report import Report, survey


def test_the_worker_has_a_port(upload_data: Path, tmp_path: Path) -> None:
    """`wharf-upload worker` shows its runs, report and database on its own port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {
        **os.environ,
        "WHARF_DATA": str(upload_data),
        "WHARF_SWEEP_SECONDS": "1",
        "WHARF_WORKER_METRICS_PORT": str(port),
        # As in the image, where no folder of the kind is this process's.
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


@pytest.fixture
def overview(upload: UploadService) -> Iterator[SqlOverview]:
    """Ten tenants: t1 … t9 with as many bytes as they say, and a small one near its quota."""
    database = open_database(upload.settings.effective_database_url)
    with database.transaction() as connection:
        for number in range(1, 10):
            connection.execute(
                "INSERT INTO usage (tenant, bytes, files) VALUES (?, ?, 1)",
                (f"t{number}", number * 1000),
            )
        connection.execute("INSERT INTO usage (tenant, bytes, files) VALUES ('small', 9, 1)")
    upload.records.put_limits("small", Limits(max_bytes=10))
    yield SqlOverview(database, Quota(max_bytes=1_000_000, warning_percent=90))
    database.close()


def test_who_is_near_its_quota_is_shown(overview: SqlOverview) -> None:
    """A small tenant at 90 % has a label before large ones that are far from theirs."""
    report = Report(pause_seconds=1)
    survey(report, overview, 4)
    shown = {usage.tenant: usage for usage in report.shown}
    assert set(shown) == {"small", "t9", "t8", "t7"}
    assert shown["small"].limit_bytes == 10
    assert shown["t9"].limit_bytes == 1_000_000
    assert (report.tenants, report.tenants_near_quota) == (10, 1)
    assert report.other_bytes == 1000 * sum(range(1, 7))
    assert report.other_files == 6


def test_labels_of_nobody(overview: SqlOverview) -> None:
    """With no labels at all, everything is in the rest."""
    report = Report(pause_seconds=1)
    survey(report, overview, 0)
    assert report.shown == ()
    assert report.other_bytes == 45_009
