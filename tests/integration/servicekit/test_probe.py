"""The health check of an image: which path it requests at the internal port, and what it prints."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

ROOT = Path(__file__).parents[3]
Start = Callable[..., Any]


def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Respond as a service that is alive, but not ready."""
    ready = environ["PATH_INFO"] != "/readyz"
    start_response("200 OK" if ready else "503 Unavailable", [])
    return [b"the body of " + environ["PATH_INFO"].encode()]


class Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with make_server("127.0.0.1", 0, application, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def probe(port: int, path: str) -> tuple[int, str]:
    """Run the health check of an image, and return its exit code and its output."""
    done = subprocess.run(
        [ROOT / "deploy/images/answers", "WHARF_INTERNAL", path],
        env={"PATH": os.environ["PATH"], "WHARF_INTERNAL": f":{port}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_probe_says_what_is_wrong(port: int) -> None:
    """The health check prints nothing for 200, the status and body for any other status, and the
    reason when no process listens.
    """
    assert probe(port, "/healthz") == (0, "")
    status, said = probe(port, "/readyz")
    assert status == 1
    assert "503" in said
    assert "the body of /readyz" in said
    status, said = probe(1, "/healthz")
    assert status == 1
    assert "Connection refused" in said
