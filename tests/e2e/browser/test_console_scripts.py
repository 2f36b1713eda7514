"""The console's other scripts, its styles and its size, on pages of tests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser.person import UPLOADS, Person
from tests.e2e.browser.visitor import PNG
from tests.servers.browser import AXE, SCRIPT_SECONDS
from tests.servers.console_pages import DIST

LIST = """
<form data-selection method="get" action="/console/delete">
  <div class="table"><table class="cards">
    <caption>Files</caption>
    <thead><tr>
      <th class="keep" scope="col"><input type="checkbox" data-select-all aria-label="All"></th>
      <th scope="col">Name</th><th scope="col" class="number">Size</th><th scope="col">Made</th>
    </tr></thead>
    <tbody>
    {% for number in range(5) %}
    <tr>
      <td><input type="checkbox" name="key" value="{{ number }}" data-select
        aria-label="File {{ number }}"></td>
      <th scope="row" data-label="Name"><a href="/console/file-{{ number }}" data-preview>
        <bdi>{{ "long-name-" * 12 }}{{ number }}</bdi></a></th>
      <td class="number" data-label="Size">12 kB</td>
      <td data-label="Made"><time datetime="2026-01-02T03:04Z" data-local="date">2026</time></td>
    </tr>
    {% endfor %}
    </tbody>
  </table></div>
  <div class="actions">
    <button data-needs-selection data-confirm class="danger">Delete</button>
    <span role="status" data-selection-count data-word-selected="{count} selected"></span>
  </div>
</form>
"""
QUESTION = """
<section data-dialog>
  <h2>Delete {{ name }}?</h2>
  <form method="post" action="/console/really"><button class="danger">Delete</button>
  <a href="/console/page" role="button" class="secondary" data-close>Keep it</a></form>
</section>
"""
FORMS = """
<p class="message success" role="status">Saved.</p>
<p class="message error" role="alert">Not saved.</p>
<p class="message warning">Public.</p>
<form class="narrow">
  <div class="field"><label for="name">Name</label><input id="name" aria-invalid="true"
    aria-describedby="name-error"><small id="name-error" class="error">Is missing.</small></div>
  <div class="field"><label for="kind">Kind</label>
    <select id="kind"><option>One</option></select></div>
  <div class="field"><label><input type="checkbox"> Public</label></div>
  <input type="hidden" name="zone" value="UTC" data-time-zone>
  <div class="actions"><button>Save</button>
  <button type="button" class="secondary outline">Back</button>
  <button type="button" class="danger">Delete</button></div>
</form>
<p class="secret"><input id="token" readonly value="s3cret" aria-label="Token">
  <button type="button" class="with-scripts" data-copy="#token" data-word-copied="Copied"
    data-word-failed="Press Ctrl+C">Copy</button> <span role="status"></span></p>
<p>Made <time datetime="2026-01-02T03:04:05Z" data-local="">2 January</time>,
<span class="badge">new</span>, <span class="muted">by nobody</span></p>
<dl class="facts"><dt>Digest</dt><dd><code>{{ "0123456789abcdef" * 4 }}</code></dd></dl>
<section class="empty"><h2>Nothing yet</h2><p>Make a bucket.</p></section>
<ul class="grid"><li><input type="checkbox" data-select aria-label="Cat">
  <a href="/console/file-1"><img class="thumb" data-thumb alt="" src="/console/static/none.svg">
  <bdi>cat.jpg</bdi></a></li></ul>
<label>Files<input type="file" multiple data-previews="#chosen"></label><ul id="chosen"></ul>
"""
# Redoc has inline styles, and a worker for its search.
REFERENCE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; worker-src blob:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; report-uri /console/csp-reports"
)
REFERENCE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Reference</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/console/static/none.svg">
<link rel="stylesheet" href="{reference.css}"></head>
<body><main><div data-reference="{document}"></div></main>
<script src="{redoc.js}" defer></script>
<script type="module" src="{reference.js}"></script></body></html>
"""


def _filled(page: str, values: dict[str, str]) -> bytes:
    for name, value in values.items():
        page = page.replace("{" + name + "}", value)
    return page.encode()


def _element(person: Person, selector: str) -> Any:
    return person.browser.find_element(By.CSS_SELECTOR, selector)


def _open(person: Person, body: str, **values: str) -> None:
    person.browser.get(person.pages.page(body, **values))


def _violations(person: Person) -> Any:
    """Return the violations of accessibility rules that axe finds on the current page."""
    person.browser.execute_script(AXE.read_text())
    return person.browser.run(
        "const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];"
        "const {violations} = await axe.run(document, {runOnly: tags});"
        "return violations.map(({id, nodes}) => [id, nodes.map(({html}) => html)])"
    )


def _boxes(person: Person) -> list[bool]:
    boxes = person.browser.find_elements(By.CSS_SELECTOR, "[data-select]")
    return [box.is_selected() for box in boxes]


def test_selection(person: Person) -> None:
    """One box ticks all files, Shift ticks a range, and without a tick the button is disabled."""
    _open(person, LIST)
    button, every = (
        _element(person, "[data-needs-selection]"),
        _element(person, "[data-select-all]"),
    )
    assert not button.is_enabled()
    every.click()
    assert _boxes(person) == [True] * 5
    assert button.is_enabled()
    assert _element(person, "[data-selection-count]").text == "5 selected"
    every.click()
    boxes = person.browser.find_elements(By.CSS_SELECTOR, "[data-select]")
    boxes[1].click()
    assert every.get_property("indeterminate")
    person.browser.run(
        "document.querySelectorAll('[data-select]')[3].dispatchEvent("
        "new MouseEvent('click', {shiftKey: true, bubbles: true, cancelable: true}))"
    )
    assert _boxes(person) == [False, True, True, True, False]


def test_a_confirmation(person: Person) -> None:
    """A confirmation opens in a dialog, which Escape and the dialog's link back close."""
    _open(person, LIST)
    person.pages.page(QUESTION, "/console/delete", name="two files")
    person.browser.find_elements(By.CSS_SELECTOR, "[data-select]")[0].click()
    address = person.browser.current_url
    for close in (Keys.ESCAPE, None):
        _element(person, "[data-confirm]").click()
        dialog = person.awaited(lambda: _element(person, "dialog[open]"))
        assert "Delete two files?" in dialog.text
        assert dialog.accessible_name == "Delete two files?"
        assert _violations(person) == []
        if close:
            person.browser.switch_to.active_element.send_keys(close)
        else:
            dialog.find_element(By.CSS_SELECTOR, "[data-close]").click()
        person.awaited(lambda: not person.browser.find_elements(By.CSS_SELECTOR, "dialog[open]"))
    assert person.browser.current_url == address


def test_a_confirmation_that_is_no_part_of_a_page(person: Person) -> None:
    """A link to a page that contains no confirmation opens the page itself and not a dialog."""
    _open(person, '<a href="/console/other" data-confirm>Delete</a>')
    person.pages.page("<p>Other</p>", "/console/other")
    _element(person, "[data-confirm]").click()
    person.awaited(lambda: person.browser.current_url.endswith("/console/other"))


def test_a_preview(person: Person) -> None:
    """A file of the list opens in a dialog, and the right arrow key opens the next file."""
    _open(person, LIST)
    for number in range(2):
        body = f'<div class="preview" data-preview-body><h2>File {number}</h2></div>'
        person.pages.page(body, f"/console/file-{number}")
    _element(person, "a[data-preview]").click()
    person.awaited(lambda: "File 0" in _element(person, "dialog[open]").text)
    assert _violations(person) == []
    person.browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    person.awaited(lambda: "File 1" in _element(person, "dialog[open]").text)
    _element(person, "dialog [data-close]").click()
    assert person.browser.current_url.endswith("/console/page")


def test_a_script_in_what_is_fetched(person: Person) -> None:
    """A page that is loaded into a dialog runs neither its scripts nor its event handlers."""
    name = "<img src=x onerror=window.ran=1><script>window.ran=1</script>"
    _open(person, '<a href="/console/delete" data-confirm>Delete</a>')
    person.pages.page(QUESTION + "{{ bad|safe }}", "/console/delete", name=name, bad=name)
    _element(person, "[data-confirm]").click()
    person.awaited(lambda: name in _element(person, "dialog[open]").text)
    assert person.browser.run("return window.ran ?? null") is None
    # The page shows the name as text, and also contains the unescaped
    # name with its event handler. Chromium before 150 reports that the
    # policy stopped the handler; later versions do not try to run it.
    assert all("script-src-attr" in report for report in person.pages.reports)
    person.pages.reports.clear()


def test_copy(person: Person) -> None:
    """The copy button copies the value, and a status next to the button confirms the copy."""
    _open(person, FORMS)
    person.browser.command(
        "Browser.grantPermissions",
        origin=person.pages.url,
        permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
    )
    _element(person, "[data-copy]").click()
    person.awaited(lambda: _element(person, ".secret [role=status]").text == "Copied")
    assert person.browser.run("return navigator.clipboard.readText()") == "s3cret"


@pytest.mark.parametrize(
    ("lang", "shown"), [("en", "Jan 2, 2026, 5:04"), ("zh-Hans", "2026年1月2日 05:04")]
)
def test_times(person: Person, lang: str, shown: str) -> None:
    """Times are shown in the reader's zone and language, and forms contain the zone."""
    person.browser.command("Emulation.setTimezoneOverride", timezoneId="Africa/Cairo")
    try:
        _open(person, FORMS, lang=lang)
        text = person.awaited(lambda: _element(person, "time").text)
        assert text.replace("\u202f", " ").startswith(shown)
        assert _element(person, "[data-time-zone]").get_property("value") == "Africa/Cairo"
    finally:
        person.browser.command("Emulation.setTimezoneOverride", timezoneId="")


def test_chosen_pictures(person: Person) -> None:
    """Files that are chosen in a plain form are listed with their pictures."""
    _open(person, FORMS)
    paths = person.file("dot.png", PNG), person.file("notes.txt", b"12345")
    person.choose(*paths, selector="input[data-previews]")
    items = person.browser.find_elements(By.CSS_SELECTOR, "#chosen li")
    assert [item.text for item in items] == ["dot.png 68 bytes", "notes.txt 5 bytes"]
    picture = _element(person, "#chosen img")
    person.awaited(lambda: picture.get_property("naturalWidth") == 1)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
@pytest.mark.parametrize("body", ["list", "forms", "uploads"])
def test_access_and_width(person: Person, body: str, width: int, theme: str) -> None:
    """axe finds no accessibility violation, and no page scrolls sideways, at three widths in both
    themes.
    """
    person.browser.command(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=800,
        deviceScaleFactor=1,
        mobile=False,
    )
    if body == "uploads":
        person.bucket(allowed_types=["image/*"])
        values = {"prefix": "", "region": "", "owner": person.api.tenant}
        _open(person, UPLOADS, theme=theme, **values)
        person.ready()
        person.choose(person.file("a-name-without-any-place-to-break-" * 3 + ".txt", b"a"))
        person.awaited(lambda: person.states() == ["failed"])
    else:
        _open(person, {"list": LIST, "forms": FORMS}[body], theme=theme)
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert person.browser.run(wide) == 0
    assert _violations(person) == []


def test_without_scripts(person: Person) -> None:
    """A page without scripts has a plain form with a button, and no element that needs a script."""
    person.browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        _open(person, UPLOADS, prefix="", region="", owner="x")
        assert _element(person, ".drop-zone button[type=submit]").is_displayed()
        assert not _element(person, "input[webkitdirectory]").is_displayed()
        assert not _element(person, "[data-uploads]").is_displayed()
    finally:
        person.browser.command("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize(
    ("document", "width"), [("/openapi.json", 1280), ("/auth/openapi.json", 320)]
)
def test_the_reference(person: Person, document: str, width: int) -> None:
    """Redoc shows each document at its width, within the page's policy and without axe violations.

    The page does not scroll sideways.
    """
    person.browser.command(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=800,
        deviceScaleFactor=1,
        mobile=False,
    )
    assets = {name: f"/console/static/{file}" for name, file in person.pages.assets.items()}
    person.pages.policies["/docs"] = REFERENCE_POLICY
    person.pages.pages["/docs"] = _filled(REFERENCE, {**assets, "document": document})
    person.browser.get(person.pages.url + "/docs")
    headings = "return document.querySelectorAll('[data-reference] h5').length"
    person.awaited(lambda: person.browser.run(headings) > 10)
    person.wait(3)
    person.browser.set_script_timeout(120)  # axe has many elements to check
    try:
        assert _violations(person) == []
    finally:
        person.browser.set_script_timeout(SCRIPT_SECONDS)
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert person.browser.run(wide) == 0


def test_a_script_that_is_not_there(person: Person) -> None:
    """A page whose upload script cannot be loaded shows the plain form."""
    person.browser.command("Network.enable")
    person.browser.command("Network.setBlockedURLs", urls=["*/uploads-*"])
    try:
        _open(person, UPLOADS, prefix="", region="", owner="x")
        button = _element(person, ".drop-zone button[type=submit]")
        person.awaited(button.is_displayed)
    finally:
        person.browser.command("Network.setBlockedURLs", urls=[])


def test_budget(person: Person) -> None:
    """All scripts except dropzone and Redoc are below 75 kB compressed, the styles below 15 kB."""
    assert {"console.js", "uploads.js", "console.css"} <= person.pages.assets.keys()
    record = json.loads((DIST / ".build.json").read_text())
    ours = [name for name in record["files"] if not name.startswith(("dropzone", "redoc"))]
    for ending, budget in ((".js.gz", 75_000), (".css.gz", 15_000)):
        sizes = {name: (DIST / name).stat().st_size for name in ours if name.endswith(ending)}
        assert 0 < sum(sizes.values()) < budget, sizes
