"""Servers that tests share: what they leave behind, and what a test sets in them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from servicekit.ids import uuid7_hex
from tests.servers import uwsgi
from tests.servers.auth import auth_settings, auth_template, opened
from tests.servers.blob_process import RunningBlobServer, blob_server, socket_server
from tests.servers.wharf.raw_http import until
from wharf_auth.settings import Settings
from wharf_upload.storage.base import BlobName

__all__ = ["auth_settings", "auth_template", "blob_server", "socket_server"]

_APP = "def application(environ, start_response):\n    return []\n"


def test_no_worker_survives_its_master(tmp_path: Path) -> None:
    """`kill` also ends the workers of a uWSGI whose master has already ended."""
    (tmp_path / "empty_app.py").write_text(_APP)
    arguments = [
        *("--socket", "{socket}", "--master", "--need-app", "--processes", "2"),
        *("--module", "empty_app", "--pythonpath", str(tmp_path)),
    ]
    with uwsgi.running(arguments, {}) as server:
        server.wait_until_ready("spawned uWSGI worker 2")
        _, *workers = server.processes()
        # A worker that can run notices the end of its master and ends.
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        server.process.kill()
        server.wait()
        assert len(workers) == 2
        assert all(map(_runs, workers))
        server.kill()
        assert until(lambda: not any(map(_runs, workers)), 10)


def _runs(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        # The parent of an orphan may not have read its exit status yet.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_failed_test_closes_its_database(auth_settings: Settings) -> None:
    """`opened` closes the database of the auth service also if the block fails."""

    def connections() -> list[str]:
        links = []
        for name in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):
                links.append(os.readlink(f"/proc/self/fd/{name}"))
        return [link for link in links if link.startswith(f"{auth_settings.data}/")]

    def fail() -> None:
        with opened(auth_settings) as service:
            service.records.tenants(after="", limit=1)
            assert connections()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert connections() == []


def test_a_fault_leaves_the_delay(socket_server: RunningBlobServer) -> None:
    """An operation of the blob server that fails still has the delay that was set before."""
    socket_server.delay("put", 0.2)
    socket_server.fail("put", "busy")
    begun = time.monotonic()
    with pytest.raises(OSError, match="the store refused"):
        socket_server.store().put(BlobName("demo", uuid7_hex()), b"x")
    assert time.monotonic() - begun >= 0.2
