"""Cookies of sessions in a real browser, which other sites can neither read nor use."""

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
#: A request that another site can send without a preflight. The site cannot read the response.
BLIND = (
    "try { await fetch(args[0] + args[1], {method: 'POST', credentials: 'include',"
    " mode: 'no-cors', body: args[2]}) } catch {}"
)


@pytest.fixture
def page(browser: Browser) -> Iterator[Browser]:
    """Yield a browser that ignores content security policies, so the test can run
    scripts in pages.
    """
    browser.command("Page.enable")
    browser.command("Page.setBypassCSP", enabled=True)
    browser.delete_all_cookies()
    yield browser
    browser.delete_all_cookies()
    browser.command("Page.setBypassCSP", enabled=False)


def kept(browser: Browser, url: str) -> dict[str, Any] | None:
    """Return the refresh token's cookie, which only the browser itself can read."""
    found = browser.execute_cdp_cmd("Network.getCookies", {"urls": [url]})["cookies"]
    return next((one for one in found if one["name"] == COOKIE), None)


def test_a_session_in_a_browser(page: Browser, capped: Wharf) -> None:
    """A login sets a cookie that no script can read and no other site can use.

    A refresh changes the cookie.
    """
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
    # A request of another site's page has no cookie and does not change the session.
    page.get(f"http://evil.example:{capped.port}/healthz")
    page.run(BLIND, url, "/auth/login", body)
    page.run(BLIND, url, "/auth/logout", "")
    assert until(lambda: capped.log("auth").count("cross-site-request") == 2)
    page.run(BLIND, url, "/auth/oauth/token", "grant_type=refresh_token")
    assert kept(page, url) == second
    page.get(f"{url}/healthz")
    assert page.run(REFRESH, url) == 200
