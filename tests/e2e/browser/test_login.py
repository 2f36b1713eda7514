"""People in a real browser: the cookie is kept and sent as it should be, and by no other site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.browser import Browser
from tests.servers.wharf import people
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.people import COOKIE, PASSWORD
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Tenants

LOGIN = (
    "const reply = await fetch(args[0] + '/auth/login', {method: 'POST', body: args[1],"
    " headers: {'Content-Type': 'application/json'}, credentials: 'include'});"
    "return [reply.status, document.cookie]"
)
REFRESH = (
    "const reply = await fetch(args[0] + '/auth/oauth/token', {method: 'POST',"
    " credentials: 'include', body: new URLSearchParams({grant_type: 'refresh_token'})});"
    "return reply.status"
)
#: What another site can send without asking first; it sees nothing of the answer.
BLIND = (
    "try { await fetch(args[0] + args[1], {method: 'POST', credentials: 'include',"
    " mode: 'no-cors', body: args[2]}) } catch {}"
)


@pytest.fixture
def page(browser: Browser) -> Iterator[Browser]:
    """A browser that takes any answer for a page that may run scripts, as a console would."""
    browser.command("Page.enable")
    browser.command("Page.setBypassCSP", enabled=True)
    browser.delete_all_cookies()
    yield browser
    browser.delete_all_cookies()
    browser.command("Page.setBypassCSP", enabled=False)


def kept(browser: Browser, url: str) -> dict[str, Any] | None:
    """The refresh token's cookie, which only the browser itself can see."""
    found = browser.execute_cdp_cmd("Network.getCookies", {"urls": [url]})["cookies"]
    return next((one for one in found if one["name"] == COOKIE), None)


def test_a_session_in_a_browser(page: Browser, capped: Wharf) -> None:
    """Login sets the cookie out of scripts' reach, refreshes change it, other sites get nothing."""
    tenants = Tenants(capped)
    ada = people.make(tenants.admin, tenants.tenant().tenant)
    url = capped.url.replace("127.0.0.1", "localhost")
    page.get(f"{url}/healthz")
    body = f'{{"tenant": "{ada.api.tenant}", "username": "ada", "password": "{PASSWORD}"}}'
    assert page.run(LOGIN, url, body) == [200, ""]
    first = kept(page, url)
    assert first is not None
    assert (first["httpOnly"], first["secure"], first["sameSite"], first["path"]) == (
        *(True, True, "Strict"),
        "/",
    )
    assert page.run(REFRESH, url) == 200
    second = kept(page, url)
    assert second is not None
    assert second["value"] != first["value"]
    # Another site's page: no cookie goes along, and nothing of the session changes.
    page.get(f"http://evil.example:{capped.port}/healthz")
    page.run(BLIND, url, "/auth/login", body)
    page.run(BLIND, url, "/auth/logout", "")
    assert until(lambda: capped.log("auth").count("cross-site-request") == 2)
    page.run(BLIND, url, "/auth/oauth/token", "grant_type=refresh_token")
    assert kept(page, url) == second
    page.get(f"{url}/healthz")
    assert page.run(REFRESH, url) == 200
