"""Plain HTTP on a host name other than loopback allows no login, and the page gives the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.console import Console, console_on
from tests.servers.console_documents import LOGIN, grant
from tests.servers.fake_gateway import FakeGateway
from wharf_console.settings import Settings

REASON = "Nobody can log in here"


@pytest.mark.parametrize("host", ["files.example", "192.0.2.7:8080", "127.0.0.1.evil.example"])
def test_the_login_page_says_which_setting_helps(console: Console, host: str) -> None:
    """The login page names the setting that helps, has no form, and sends no password to auth."""
    browser = console.visitor()
    page = browser.get("/console/login", base_url=f"http://{host}").text
    assert REASON in page
    assert f"WHARF_ISSUER=https://{host}/auth" in page
    assert 'type="password"' not in page
    grant(console.gateway)
    browser.post("/console/login", LOGIN, base_url=f"http://{host}")
    assert console.gateway.called("POST", "/auth/login") == []


@pytest.mark.parametrize(
    "base_url",
    ["http://localhost:8080", "http://127.0.0.1", "http://[::1]:8080", "http://wharf.localhost"],
)
def test_on_the_machine_itself_it_works(console: Console, base_url: str) -> None:
    """A person can log in over plain HTTP on a loopback address."""
    page = console.visitor().get("/console/login", base_url=base_url).text
    assert REASON not in page
    assert 'type="password"' in page


def test_a_browser_that_came_by_https_can_log_in(console: Console) -> None:
    """A browser that sends `Sec-Fetch-Site` can log in, because TLS may end before the gateway."""
    headers = {"Sec-Fetch-Site": "none"}
    reply = console.visitor().get(
        "/console/login", base_url="http://files.example", headers=headers
    )
    assert REASON not in reply.text
    [cookie] = [value for name, value in reply.headers if name == "Set-Cookie"]
    assert cookie.startswith("__Host-wharf_console=")


def test_with_the_setting_nothing_is_said(tmp_path: Path, gateway: FakeGateway) -> None:
    """With an HTTPS issuer the login form is shown even to clients without `Sec-Fetch-Site`."""
    settings = Settings(
        data=tmp_path / "data", console_door=gateway.path, issuer="https://files.example/auth"
    )
    browser = console_on(settings, gateway).visitor()
    assert REASON not in browser.get("/console/login", base_url="http://files.example").text
