"""A browser in front of the console, in which a person of the world is logged in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.servers.browser import Browser
from tests.servers.pages.looks import DEFAULT, Look
from tests.servers.pages.world import World
from tests.servers.wharf.instance import Wharf

COOKIE = "wharf_console"
# The cookie for the view of file lists. Each state begins with rows.
_VIEW = "wharf_console_files"
_HEIGHT = 800
# A generous timeout for steps that take about a second on an idle machine.
_PATIENCE_SECONDS = 60
# This script returns true when the page is loaded, its scripts have run, and the queue of uploads
# is restored.
_SETTLED = (
    "const {scripts} = document.documentElement.dataset;"
    "const runs = arguments[0] && document.querySelector('script[src*=\"/console-\"]');"
    "const tray = document.querySelector('[data-uploads]');"
    "return document.readyState === 'complete' && (!runs || scripts === 'on')"
    " && (!tray || !scripts || tray.dataset.uploads === 'ready')"
)


@dataclass
class Stage:
    """A browser, a Wharf and its world. `folder` is the disk of the person at the browser."""

    browser: Browser
    wharf: Wharf
    world: World
    folder: Path
    look: Look = DEFAULT
    _cookies: dict[str, str] = field(default_factory=dict)

    # ---- the person and the look ----

    def set(self, look: Look) -> None:
        """Set the browser and the choices in the console to this look."""
        self.look = look
        dark = look.theme == "system-dark"
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.command("Emulation.setEmulatedMedia", features=[scheme])
        self.resize(look.width)
        self.browser.command("Network.deleteCookies", name=_VIEW, url=self.wharf.url)
        self._cookie("wharf_console_language", look.language)
        self._cookie("wharf_console_theme", "auto" if dark else look.theme)

    def resize(self, width: int) -> None:
        """Set the width of the window in pixels."""
        self.browser.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=_HEIGHT,
            deviceScaleFactor=1,
            mobile=False,
        )

    def become(self, who: str) -> None:
        """Switch the browser to this person's session. At the first call for a person, log in.
        An empty name means no person.
        """
        if who and who not in self._cookies:
            self.log_in(who)
            self._cookies[who] = self.session()
        self.browser.command("Network.deleteCookies", name=COOKIE, url=self.wharf.url)
        if who:
            self._cookie(COOKIE, self._cookies[who])

    def log_in(self, who: str) -> None:
        """Log in on the login page. In contrast to `become`, each call makes a new session."""
        self.browser.command("Network.deleteCookies", name=COOKIE, url=self.wharf.url)
        login = self.world.people[who]
        self.open("/console/login")
        for name in ("tenant", "username", "password"):
            self.type(f"[name={name}]", getattr(login, name))
        self.press("main form [type=submit], main form button")
        self.awaited(lambda: self.path() == "/console/")

    def session(self) -> str:
        """Return the session's cookie, which no script can read."""
        found = self.browser.execute_cdp_cmd("Network.getCookies", {"urls": [self.wharf.url]})
        return next(str(one["value"]) for one in found["cookies"] if one["name"] == COOKIE)

    def _cookie(self, name: str, value: str) -> None:
        for url in (self.wharf.url, self.elsewhere):
            cookie = {"name": name, "value": value, "httpOnly": True, "sameSite": "Lax"}
            self.browser.command("Network.setCookie", url=url, **cookie)

    @property
    def elsewhere(self) -> str:
        """Return the URL of this Wharf under another host name, where HTTP is
        not a secure context.
        """
        return f"http://wharf.example:{self.wharf.port}"

    @contextlib.contextmanager
    def scripts(self, *, on: bool) -> Iterator[None]:
        """Enable or disable scripts during the block."""
        self.browser.command("Emulation.setScriptExecutionDisabled", value=not on)
        try:
            yield
        finally:
            self.browser.command("Emulation.setScriptExecutionDisabled", value=False)

    # ---- acts of a person ----

    def open(self, path: str) -> None:
        """Open a page of the console, or a full address."""
        self.browser.get(path if path.startswith("http") else self.wharf.url + path)
        self.settle()

    def settle(self) -> None:
        """Wait until the page is complete."""
        self.awaited(lambda: self.browser.execute_script(_SETTLED, self.look.scripts))

    def all(self, selector: str) -> list[WebElement]:
        """Return all elements that match the selector."""
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """Wait for the first of the elements and return it."""
        found: WebElement = self.awaited(lambda: next(iter(self.all(selector)), None))
        return found

    def press(self, selector: str) -> None:
        """Press a button or follow a link."""
        self.one(selector).click()

    def type(self, selector: str, text: str) -> None:
        """Replace the content of a field by typing."""
        element = self.one(selector)
        element.clear()
        element.send_keys(text)

    def file(self, name: str, content: bytes) -> str:
        """Write a file on the person's disk and return its path."""
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def choose(self, selector: str, *paths: str) -> None:
        """Choose files in a field."""
        self.one(selector).send_keys("\n".join(paths))

    def path(self) -> str:
        """Return the path of the page's address."""
        return self.browser.current_url.removeprefix(self.wharf.url).partition("?")[0]

    def text(self, selector: str = "main") -> str:
        """Return the text of an element, with the text that the page hides."""
        return str(self.one(selector).get_property("textContent"))

    def awaited(self, condition: Callable[[], object]) -> Any:
        """Return the first true value of the condition. Elements may disappear during the wait."""
        passing = (StaleElementReferenceException, NoSuchElementException)
        waiting = WebDriverWait(self.browser, _PATIENCE_SECONDS, 0.05, ignored_exceptions=passing)
        return waiting.until(lambda _: condition())

    # ---- incidents ----

    @contextlib.contextmanager
    def api_away(self) -> Iterator[None]:
        """Move the console door away during the block, so that the console does
        not reach the API.
        """
        door = self.wharf.data / "run/console-door.sock"
        aside = door.with_suffix(".aside")
        door.rename(aside)
        try:
            yield
        finally:
            aside.rename(door)

    def forget_tokens(self) -> None:
        """Delete the file of tokens that the console wrote last, so that its session
        has no tokens.
        """
        records = [one for one in (self.wharf.data / "console/tokens").iterdir() if one.is_file()]
        max(records, key=lambda one: one.stat().st_mtime_ns).unlink()
