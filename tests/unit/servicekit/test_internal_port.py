"""The port for metrics and health checks, and the requests that it accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from servicekit import internal_port

ROOT = Path(__file__).parents[3]
Start = Callable[..., Any]


def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Respond with the requested path and with the mark of an internal request."""
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
    """The application gets its own path for an address of the port, and the mark of an internal
    request.
    """
    assert ask(asked) == ("200 OK", f"{path} 1")


@pytest.mark.parametrize("path", ["/", "/auth/internal/feed", "/v1/files/a/b", "/metrics/", ""])
def test_everything_else_is_not_there(path: str) -> None:
    """The port serves only metrics and health checks, because requests to it have no token."""
    assert ask(path)[0] == "404 Not Found"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_sent(method: str) -> None:
    """The port accepts only methods that read."""
    assert ask("/metrics", method)[0] == "404 Not Found"


def test_the_gateways_requests_pass_as_they_are() -> None:
    """A request from the gateway passes unchanged; only nginx can set the mark of the request."""
    assert ask("/metrics", REQUEST_ID="x") == ("200 OK", "/metrics -")
    assert ask("/v1/files/a/b", HTTP_REQUEST_ID="x")[0] == "404 Not Found"
