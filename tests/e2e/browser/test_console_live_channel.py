"""Lists of the console that the live channel updates, on pages of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.servers.browser import SCRIPT_SECONDS, Browser
from tests.servers.console_pages import CSRF
from tests.servers.live_pages import LivePages, serving_live

FILES = """
{{ live.box("#files", "Keep it up to date", of="files", every=2, bucket="docs", prefix="a/") }}
<div id="files"><form data-selection action="/console/page">
<details><summary>More</summary>menu</details>
<table><tbody>
{% for name in names.split() %}
<tr><td><input type="checkbox" name="key" value="a/{{ name }}" data-select aria-label="x">
<img data-thumb alt="" src="/console/static/none.svg"> <a href="/console/x">{{ name }}</a></td></tr>
{% endfor %}
</tbody></table><a class="folder" href="/console/page">old/</a>
<span role="status" data-selection-count data-word-selected="{count} selected"></span>
</form></div>
"""
UPLOADS = """
{{ live.box("#list", "Keep it up to date", of="uploads", every=2) }}
<table id="list"><tbody>{% for id in ids.split() %}<tr data-row="{{ id }}">
<td data-far data-word-of="{done} of {total}" data-word-so-far="{done} so far"><span>0</span>
<progress value="0" max="8000000" aria-label="x"></progress></td>
<td data-rate="{{ id }}" data-offset="0" data-word-now="{size} a second"
  data-word-still="Nothing is coming">at first</td></tr>{% endfor %}</tbody></table>
"""


@dataclass
class Reader:
    """A person who reads a list."""

    browser: Browser
    pages: LivePages

    def open(self, body: str, status: str = "Live", **values: str) -> None:
        """Open a page, and wait until it shows this status."""
        self.browser.get(self.pages.live_page(body, **values))
        self.awaited(lambda: self.status() == status)

    def status(self) -> str:
        """Return the status of the page's updates."""
        return self.one("[data-live-status]").text

    def one(self, selector: str) -> WebElement:
        """Return the first element that matches the selector."""
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def names(self) -> list[str]:
        """Return the names of the listed files."""
        script = "return [...document.querySelectorAll('#files td a')].map(one => one.textContent)"
        found: list[str] = self.browser.execute_script(script)
        return found

    def happens(self, key: str = "a/new", number: int = 7, **fields: Any) -> None:
        """Send an event of a file to the page."""
        place = {"bucket": "docs", "key": key}
        event = {"id": number, "kind": "file.created", "file": place, "moved_from": None}
        self.pages.tell("event", {**event, **fields})

    def awaited(self, condition: Callable[[], object]) -> None:
        """Wait until the condition is true."""
        passing = (StaleElementReferenceException,)
        waiting = WebDriverWait(self.browser, SCRIPT_SECONDS, 0.05, ignored_exceptions=passing)
        waiting.until(lambda _: condition())

    def wait(self, seconds: float) -> None:
        """Let the page run for a while."""
        self.browser.run("await new Promise(done => setTimeout(done, args[0]))", seconds * 1000)


@pytest.fixture(scope="module")
def live_pages() -> Iterator[LivePages]:
    """Serve the pages and the live channel."""
    with serving_live() as found:
        yield found


@pytest.fixture
def reader(browser: Browser, live_pages: LivePages) -> Iterator[Reader]:
    """Yield a reader, and check that no page breaks its content policy."""
    for kept in (live_pages.looks, live_pages.tokens, live_pages.handshakes, live_pages.said):
        kept.clear()
    live_pages.token_status, live_pages.token_seconds, live_pages.is_open = 200, 900, True
    yield Reader(browser, live_pages)
    browser.get("about:blank")
    assert live_pages.reports == []


def test_a_new_file_comes_into_a_list_that_stays_as_it_is(reader: Reader) -> None:
    """A new file appears in a list without changing the list's ticks, focus or open menu.

    Twenty events cause at most two fetches.
    """
    reader.open(FILES, names="b c")
    assert reader.pages.tokens == [CSRF]
    assert reader.pages.handshakes == [{"token": "token-1"}]
    # The content policy needs no address for the channel: 'self' is enough.
    assert reader.pages.transport == "websocket"
    reader.awaited(lambda: reader.pages.said == [{"op": "subscribe", "bucket": "docs"}])
    # The page fetches the list once, because events may have happened before it listened.
    reader.awaited(lambda: len(reader.pages.looks) == 2)
    box = reader.one("[value='a/c']")
    box.click()
    reader.one("summary").click()
    reader.browser.run("document.querySelector('[value=\"a/c\"]').focus(); window.mark = 1")
    reader.pages.live_page(FILES, names="a b c")
    for number in range(20):
        reader.happens(number=number + 1)
    reader.awaited(lambda: reader.names() == ["a", "b", "c"])
    reader.wait(1.5)
    assert len(reader.pages.looks) <= 4
    assert box.is_selected()
    assert reader.browser.switch_to.active_element == box
    assert reader.one("[data-selection-count]").text == "1 selected"
    assert reader.one("details").get_attribute("open")
    assert not reader.one("tr:last-child img").is_displayed()
    assert reader.browser.run("return window.mark") == 1


def test_what_happens_elsewhere_is_no_reason_to_look(reader: Reader) -> None:
    """An event elsewhere or in a listed folder causes no fetch.

    An event in a new folder, and a move out of a listed folder, cause one fetch each.
    """
    reader.open(FILES, names="b")
    reader.awaited(lambda: len(reader.pages.looks) == 2)
    reader.happens(file={"bucket": "other", "key": "a/x"})
    reader.happens("b/x")
    reader.happens("a/old/x")
    reader.happens(kind="quota.warning", file=None)
    reader.wait(1.5)
    assert len(reader.pages.looks) == 2
    reader.happens("a/fresh/x")
    reader.awaited(lambda: len(reader.pages.looks) == 3)
    reader.happens("z", kind="file.moved", moved_from={"bucket": "docs", "key": "a/old/x"})
    reader.awaited(lambda: len(reader.pages.looks) == 4)


_SEEN = """
Object.defineProperty(document, "hidden", {configurable: true, get: () => !args[0]});
document.dispatchEvent(new Event("visibilitychange"));
"""


def test_pauses(reader: Reader) -> None:
    """The page does not update a list under a dialog, in a hidden tab, or while its box is not
    ticked.

    When the reason ends, the page updates the list. A page without any input for an hour pauses.
    """
    reader.open(FILES, names="b")
    reader.awaited(lambda: len(reader.pages.looks) == 2)
    show = "const dialog = document.createElement('dialog'); document.body.append(dialog);"
    reader.browser.run(f"{show} dialog.showModal()")
    reader.pages.live_page(FILES, names="a b")
    reader.happens()
    reader.wait(1.5)
    assert reader.names() == ["b"]
    reader.browser.run("document.querySelector('dialog').close()")
    reader.awaited(lambda: reader.names() == ["a", "b"])
    reader.browser.run(_SEEN, False)
    reader.pages.live_page(FILES, names="a b c")
    reader.happens(number=8)
    reader.wait(1.5)
    assert reader.names() == ["a", "b"]
    reader.browser.run(_SEEN, True)
    reader.awaited(lambda: reader.names() == ["a", "b", "c"])
    reader.one("[data-live]").click()
    assert reader.status() == "Paused"
    reader.pages.live_page(FILES, names="c")
    reader.wait(2.5)
    assert reader.names() == ["a", "b", "c"]
    reader.one("[data-live]").click()
    reader.awaited(lambda: reader.names() == ["c"])
    reader.awaited(lambda: reader.status() == "Live")
    reader.browser.run("const then = performance.now(); performance.now = () => then + 3_600_001")
    reader.awaited(lambda: reader.status() == "Paused")


def test_a_channel_that_ends_and_comes_back(reader: Reader) -> None:
    """Without its channel a page fetches its list every few seconds.

    A new channel starts after the last event, with a new token. A `resync` causes a fetch.
    """
    reader.open(FILES, names="b")
    reader.happens(number=41)
    reader.pages.is_open = False
    reader.pages.cut({"reason": "restart"})
    reader.awaited(lambda: reader.status() == "Looks every 2 seconds")
    reader.pages.live_page(FILES, names="a b")
    reader.awaited(lambda: reader.names() == ["a", "b"])
    reader.pages.is_open = True
    reader.awaited(lambda: reader.status() == "Live")
    assert reader.pages.handshakes[-1] == {
        "token": f"token-{len(reader.pages.tokens)}",
        "after": 41,
    }
    looks = len(reader.pages.looks)
    reader.pages.tell("resync", {"after": 99})
    reader.awaited(lambda: len(reader.pages.looks) > looks)


def test_a_token_is_renewed_before_it_ends(reader: Reader) -> None:
    """A page renews its token on the same connection, and shows that its session has ended."""
    reader.pages.token_seconds = 2
    reader.open(FILES, names="b")
    renewal = {"op": "token", "token": "token-2"}
    reader.awaited(lambda: renewal in reader.pages.said)
    assert len(reader.pages.handshakes) == 1
    reader.pages.token_status = 401
    reader.awaited(lambda: reader.status() == "Your session has ended.")
    assert reader.one("[data-live-login]").is_displayed()
    looks, asked = len(reader.pages.looks), len(reader.pages.tokens)
    reader.wait(2.5)
    assert (len(reader.pages.looks), len(reader.pages.tokens)) == (looks, asked)


def test_without_a_channel(reader: Reader) -> None:
    """A page that gets no token fetches its list every few seconds."""
    reader.pages.token_status = 404
    reader.open(FILES, "Looks every 2 seconds", names="b")
    reader.pages.live_page(FILES, names="a b")
    reader.awaited(lambda: reader.names() == ["a", "b"])
    assert reader.pages.handshakes == []


def test_uploads_move_without_a_look(reader: Reader) -> None:
    """Bars and rates of uploads follow the channel without fetches; a new upload causes a fetch."""

    def moves(upload: str, offset: int) -> None:
        told = {
            "upload": upload,
            "bucket": "docs",
            "key": "x",
            "length": 8_000_000,
            "offset": offset,
        }
        reader.pages.tell("progress", {**told, "rate": 2_000_000})

    reader.open(UPLOADS, ids="one")
    reader.awaited(lambda: len(reader.pages.looks) == 2)
    moves("one", 6_000_000)
    reader.awaited(lambda: reader.one("[data-rate]").text == "2 MB a second")
    assert reader.one("[data-far] span").text == "6 MB of 8 MB"
    assert reader.one("progress").get_property("value") == 6_000_000
    assert len(reader.pages.looks) == 2
    reader.pages.live_page(UPLOADS, ids="one two")
    moves("two", 0)
    reader.awaited(lambda: reader.browser.find_elements(By.CSS_SELECTOR, "[data-rate=two]"))
    # This person may not see this upload.
    moves("three", 0)
    moves("three", 1)
    reader.awaited(lambda: reader.one("[data-rate]").text == "Nothing is coming")
    assert len(reader.pages.looks) <= 5
