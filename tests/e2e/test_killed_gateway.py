"""A killed nginx: the process manager restarts it with all its listening sockets."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.servers.nginx_pid import nginx_pid
from tests.servers.wharf.api_client import SMALL, ApiClient
from tests.servers.wharf.instance import running
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer


def test_a_killed_nginx_comes_back() -> None:
    """The process manager replaces a killed nginx master in seconds, and restarts no service."""
    with running() as wharf:
        api = Signer(wharf).client()
        api.stored("before", SMALL)
        for _ in range(3):
            master = nginx_pid(wharf.data / "run/nginx")
            services = set(wharf.processes("auth")) | set(wharf.processes("upload"))
            os.kill(master, signal.SIGKILL)
            assert until(lambda old=master: master_of(wharf.data) not in {0, old})
            assert until(lambda: reads(api) == SMALL)
            assert set(wharf.processes("auth")) | set(wharf.processes("upload")) == services
        assert wharf.process.poll() is None


def reads(api: ApiClient) -> bytes:
    """Return the file's bytes, or no bytes while no process accepts connections."""
    try:
        return api.file("before").body
    except OSError:
        return b""


def master_of(data: Path) -> int:
    """Return the process id of nginx's master, or 0 if nginx has no master yet."""
    path = data / "run/nginx/nginx.pid"
    return int(path.read_text() or 0) if path.exists() else 0
