"""Sessions in a browser: expired tokens, logout, suspension, and a service that is down."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.servers.browser import Browser
from tests.servers.pages import world
from tests.servers.pages.looks import DEFAULT
from tests.servers.pages.stage import Stage
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.tenants import Signer, Tenants

#: The shortest lifetime that the setting allows.
TOKEN_SECONDS = 10
TABS = 3
# A page without the live channel, because that channel also renews tokens.
_STILL = "/console/account"
_RELOAD = "setTimeout(() => location.reload(), arguments[0] - Date.now())"


@pytest.fixture(scope="module")
def brief() -> Iterator[Wharf]:
    """Start a Wharf whose tokens expire soon."""
    with running(WHARF_TOKEN_TTL_SECONDS=str(TOKEN_SECONDS)) as found:
        yield found


@pytest.fixture
def hurried(brief: Wharf, console_browser: Browser, tmp_path: Path) -> Iterator[Stage]:
    """Yield a browser in front of the Wharf `brief`."""
    made = world.made(Tenants(brief), Signer(brief))
    yield Stage(console_browser, brief, made, tmp_path)
    first, *others = console_browser.window_handles
    for one in others:
        console_browser.switch_to.window(one)
        console_browser.close()
    console_browser.switch_to.window(first)
    console_browser.get("about:blank")


@pytest.fixture
def entered(stage: Stage) -> Stage:
    """Return the stage with a new login, whose session only this test uses."""
    stage.set(DEFAULT)
    stage.log_in("passing")
    return stage


def refreshes(wharf: Wharf) -> dict[str, int]:
    """Return how often the console has refreshed tokens, by outcome."""
    connection = HTTPConnection("127.0.0.1", wharf.metrics_port, timeout=60)
    connection.request("GET", "/metrics/console")
    text = connection.getresponse().read().decode()
    connection.close()
    start = 'wharf_console_refreshes_total{outcome="'
    lines = [line.removeprefix(start) for line in text.splitlines() if line.startswith(start)]
    return {name: int(float(value)) for name, _, value in (one.partition('"} ') for one in lines)}


def test_tabs_at_the_end_of_a_token(hurried: Stage) -> None:
    """Tabs that load pages at the same moment share one token refresh and stay logged in."""
    browser = hurried.browser
    hurried.set(DEFAULT)
    hurried.log_in("owner")
    hurried.open(_STILL)
    for _ in range(TABS - 1):
        browser.switch_to.new_window("tab")
        hurried.open(_STILL)
    for _ in range(2):
        before = refreshes(hurried.wharf)
        moment = (time.time() + TOKEN_SECONDS + 1) * 1000
        for tab in browser.window_handles:
            browser.switch_to.window(tab)
            browser.execute_script("window.isOld = true")
            browser.execute_script(_RELOAD, moment)
        for tab in browser.window_handles:
            browser.switch_to.window(tab)
            hurried.awaited(lambda: not browser.execute_script("return window.isOld ?? false"))
            hurried.settle()
            assert hurried.path() != "/console/login"
            assert hurried.all("header .who form button")
        after = refreshes(hurried.wharf)
        assert after["ok"] == before["ok"] + 1
        assert (after["ended"], after["failed"]) == (before["ended"], before["failed"])


def test_the_way_back_after_leaving(entered: Stage) -> None:
    """After a logout the back button leads to the login, and not to a page of the session."""
    entered.open("/console/b/many/")
    entered.open("/console/b/default/")
    entered.press("header .who form button")
    entered.awaited(lambda: entered.path() == "/console/login")
    for _ in range(2):
        entered.browser.back()
        entered.awaited(lambda: entered.all("[name=password]"))
        assert entered.path() == "/console/login"
        assert ".txt" not in entered.text("body")


def test_leaving_in_one_tab_ends_all(entered: Stage) -> None:
    """After a logout in one tab another tab's next step leads to the login.

    The login then leads to the page of that step.
    """
    browser = entered.browser
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    entered.open("/console/b/many/")
    browser.switch_to.window(first)
    entered.press("header .who form button")
    browser.switch_to.window(browser.window_handles[-1])
    wanted = str(entered.one("a[rel=next]").get_attribute("href"))
    entered.press("a[rel=next]")
    entered.awaited(lambda: entered.path() == "/console/login")
    (step,) = parse_qs(urlsplit(browser.current_url).query)["next"]
    assert entered.wharf.url + step == wanted
    assert "104.txt" not in entered.text("body")
    browser.close()
    browser.switch_to.window(first)


def test_suspended_while_a_page_is_open(stage: Stage) -> None:
    """During a suspension each page soon says so; afterwards the same session continues."""
    stage.set(DEFAULT)
    stage.world.suspend("suspended", end=True)
    stage.log_in("suspended")
    stage.open("/console/b/default/")
    stage.world.suspend("suspended")

    def is_told(path: str) -> bool:
        stage.open(path)
        return "suspended" in stage.text("h1")

    def each_is_told() -> bool:
        # Each process of a service reads the feed separately.
        return is_told("/console/b/default/") and is_told("/console/")

    try:
        stage.awaited(each_is_told)
    finally:
        stage.world.suspend("suspended", end=True)
    stage.awaited(lambda: not is_told("/console/b/default/"))
    assert stage.path() == "/console/b/default/"


def test_the_api_comes_back(entered: Stage) -> None:
    """Without the API a page says when to try again; its button later opens the wanted page."""
    entered.open("/console/b/many/")
    with entered.api_away():
        entered.press("a[rel=next]")
        entered.one("main [role=alert]")
        assert "does not answer" in entered.text("h1")
        assert "Try again in 5 seconds." in entered.text()
        number = re.search("Number of this request: ([0-9a-f]+)", entered.text())
        assert number
        lines = entered.wharf.log_lines("console")
        assert "api-unavailable" in {
            line["outcome"] for line in lines if line.get("request_id") == number[1]
        }
    entered.press("main [role=button]")
    entered.awaited(lambda: "104.txt" in entered.text("#files"))


def test_the_api_hangs(entered: Stage) -> None:
    """While a service hangs, the console shows an error page, and the login stays valid."""
    with entered.wharf.standing_still("upload"):
        entered.open("/console/b/many/")
        entered.one("main [role=alert]")
        assert "does not answer" in entered.text("h1")
    entered.awaited(lambda: _is_back(entered))


def _is_back(stage: Stage) -> bool:
    stage.open("/console/b/many/")
    return bool(stage.all("#files table"))
