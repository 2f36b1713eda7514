"""The console while Redis, which stores its sessions, is down."""

from __future__ import annotations

import re
from pathlib import Path

from tests.servers.console import console_on
from tests.servers.fake_gateway import FakeGateway
from tests.servers.redis import RedisServer
from wharf_console.settings import Settings


def test_sessions_that_cannot_be_had_are_a_page(
    tmp_path: Path, gateway: FakeGateway, redis_server: RedisServer
) -> None:
    """Without Redis the console returns 503 with a page, and reports that it is not ready."""
    settings = Settings(
        data=tmp_path / "data", console_door=gateway.path, console_sessions=redis_server.url
    )
    console = console_on(settings, gateway)
    browser = console.person()
    assert browser.get("/console/").status_code == 200
    cookie = browser.cookie()
    redis_server.stop()
    try:
        page = browser.get("/console/")
        assert browser.cookie() == cookie != ""
        assert page.status_code == 503
        assert re.findall(r"<h1[^>]*>([^<]*)</h1>", page.text) == ["Wharf does not answer"]
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["Cache-Control"] == "no-store"
        assert console.visitor().get("/console/readyz").status_code == 503
    finally:
        redis_server.start()


def test_a_redis_that_is_away_at_the_start(
    tmp_path: Path, gateway: FakeGateway, redis_server: RedisServer
) -> None:
    """A console that starts without Redis reports it as down, and works as soon as Redis is up."""
    redis_server.stop()
    settings = Settings(
        data=tmp_path / "data", console_door=gateway.path, console_sessions=redis_server.url
    )
    client = console_on(settings, gateway).app.test_client()
    try:
        assert client.get("/console/healthz").status_code == 200
        assert client.get("/console/readyz").json == {
            "status": "unavailable",
            "down": {"sessions": "ConnectionError"},
        }
        answer = client.get("/console/login")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    finally:
        redis_server.start()
    assert client.get("/console/login").status_code == 200
    assert client.get("/console/readyz").json == {"status": "ready"}
