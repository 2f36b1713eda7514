"""Fixtures of the console's session stores: files and Redis."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.redis import RedisServer
from wharf_console.sessions.stores import SessionStores, open_stores

IDLE_SECONDS = 1000


@pytest.fixture(params=["file", "redis"])
def url(request: pytest.FixtureRequest, redis_server: RedisServer) -> str:
    """Return a value of `WHARF_CONSOLE_SESSIONS` for each kind of store."""
    return "file" if request.param == "file" else redis_server.url


@pytest.fixture
def stores(url: str, tmp_path: Path) -> SessionStores:
    """Return session stores as the console opens them."""
    return open_stores(url, tmp_path / "console", idle_seconds=IDLE_SECONDS, is_https=False)
