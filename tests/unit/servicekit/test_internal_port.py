"""The port for metrics and health, and what an image asks it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from servicekit import internal_port

ROOT = Path(__file__).parents[3]
Start = Callable[..., Any]


def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Says what it is asked for."""
    status = "503 Unavailable" if environ["PATH_INFO"] == "/auth/readyz" else "200 OK"
    start_response(status, [])
    return [f"{environ['PATH_INFO']} {environ.get('WHARF_INTERNAL', '-')}".encode()]


guarded = internal_port.guarded(
    application, {"/metrics": "/metrics", "/healthz": "/auth/healthz", "/readyz": "/auth/readyz"}
)


def ask(path: str, method: str = "GET", **environ: str) -> tuple[str, str]:
    statuses: list[str] = []
    body = guarded(
        {"REQUEST_METHOD": method, "PATH_INFO": path, **environ},
        lambda status, _: statuses.append(status),
    )
    return statuses[0], b"".join(body).decode()


@pytest.mark.parametrize(
    ("asked", "path"), [("/metrics", "/metrics"), ("/healthz", "/auth/healthz")]
)
def test_its_own_addresses_are_answered_as_internal(asked: str, path: str) -> None:
    """The application sees its own path, and that the request is internal."""
    assert ask(asked) == ("200 OK", f"{path} 1")


@pytest.mark.parametrize("path", ["/", "/auth/internal/feed", "/v1/files/a/b", "/metrics/", ""])
def test_everything_else_is_not_there(path: str) -> None:
    """Nobody shows a token on this port, so nothing that needs one is reached by it."""
    assert ask(path)[0] == "404 Not Found"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_sent(method: str) -> None:
    """Reading is all that this port is for."""
    assert ask("/metrics", method)[0] == "404 Not Found"


def test_the_gateways_requests_pass_as_they_are() -> None:
    """They carry an id, which no HTTP client can set under that name."""
    assert ask("/metrics", REQUEST_ID="x") == ("200 OK", "/metrics -")
    assert ask("/v1/files/a/b", HTTP_REQUEST_ID="x")[0] == "404 Not Found"


class Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with make_server("127.0.0.1", 0, guarded, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def probe(port: int, path: str) -> tuple[int, str]:
    """What the health check of an image ends with, and what it says."""
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
    """Nothing for 200; status and body for anything else; the reason where nobody answers."""
    assert probe(port, "/healthz") == (0, "")
    status, said = probe(port, "/readyz")
    assert status == 1
    assert "503" in said
    assert "/auth/readyz 1" in said
    status, said = probe(1, "/healthz")
    assert status == 1
    assert "Connection refused" in said
