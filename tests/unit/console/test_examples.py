"""The example pages: their setting, their tickets, and the code that they show."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from tests.servers.console import Browser, Console, console_on
from tests.servers.console_documents import file_document
from tests.servers.console_tickets import TICKET, give_tickets, rules_of
from tests.servers.fake_gateway import FakeGateway, Reply
from tests.unit.console.test_templates import check
from wharf_console.routes.examples import EXAMPLES
from wharf_console.settings import Settings

PACKAGE = Path(__file__).parents[3] / "services/console/src/wharf_console"
PAGES = [f"/console/examples/{name}" for name in EXAMPLES]
PICTURE = {"media_type": "image/png", "bucket": "default"}


@pytest.fixture
def shown(tmp_path: Path, gateway: FakeGateway) -> Console:
    """Return a console with the examples switched on."""
    settings = Settings(data=tmp_path / "data", console_door=gateway.path, console_examples=True)
    return with_documents(console_on(settings, gateway))


def with_documents(console: Console) -> Console:
    """Serve links, and a folder with a picture and a text."""
    names = [("examples/a b.png", PICTURE), ("examples/n.txt", {"bucket": "default"})]
    files = [file_document(key, **fields) for key, fields in names]
    listing = {"files": files, "prefixes": [], "next_cursor": None}
    link = {"url": "/s/link/", "expires_at": "2026-11-29T10:00:00Z"}
    console.gateway.on("GET", "/v1/files/default", Reply(listing))
    console.gateway.on("POST", "/v1/links", Reply(link, 201))
    return console


def editor(console: Console, base_url: str = "http://localhost") -> Browser:
    """Return an editor's browser, and let the gateway issue tickets from now on."""
    browser = console.person("editor", base_url)
    give_tickets(console.gateway)
    return browser


def page(console: Console, path: str, **headers: str) -> str:
    """Return the page as an editor sees it."""
    reply = editor(console).get(path, headers=headers)
    assert reply.status_code == 200, reply.text
    return str(reply.text)


@pytest.mark.parametrize("path", ["/console/examples/", *PAGES])
def test_they_are_off_unless_the_setting_says_so(console: Console, path: str) -> None:
    """Without the setting the examples have neither a page nor a link."""
    browser = console.person()
    assert browser.get(path).status_code == 404
    assert "/console/examples/" not in browser.get("/console/").text


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("path", ["/console/examples/", *PAGES])
def test_each_is_a_whole_page(shown: Console, path: str, language: str) -> None:
    """Each example page has the parts that every page must have, in both languages."""
    check(path, page(shown, path, **{"Accept-Language": language}))


def test_the_first_page_leads_to_all(shown: Console) -> None:
    """The first example page links to all others, and pages for uploaders link to it."""
    html_text = page(shown, "/console/examples/")
    assert all(f'href="{path}"' in html_text for path in PAGES)
    assert 'href="/console/examples/"' in page(shown, "/console/")
    assert "/console/examples/" not in shown.person("viewer").get("/console/").text


@pytest.mark.parametrize("path", ["/console/examples/", *PAGES])
def test_a_viewer_is_told_which_role_uploads(shown: Console, path: str) -> None:
    """A viewer gets 403 with the role that may upload."""
    reply = shown.person("viewer").get(path)
    assert reply.status_code == 403
    assert "“editor”" in reply.text


@pytest.mark.parametrize("path", PAGES)
def test_its_ticket_is_narrow(shown: Console, path: str) -> None:
    """An example's ticket is made from the person's token, for one folder and this page."""
    editor(shown, "http://localhost:8080").get(path)
    [call] = shown.gateway.called("POST", "/auth/oauth/token")
    assert call.form["subject_token"] == ["access-1"]
    rules = rules_of(call)
    assert (rules["bucket"], rules["prefix"]) == ("default", "examples/")
    assert rules["max_file_bytes"] == 20_000_000
    [afterwards] = rules["redirect"]
    assert afterwards.startswith(f"http://localhost:8080{path}/stored?form=")
    assert "authorization" not in call.fields


@pytest.mark.parametrize("path", PAGES)
def test_the_code_that_it_shows_is_its_own(shown: Console, path: str) -> None:
    """An example's form equals the code that its page shows, except for the ticket."""
    text = page(shown, path)
    [shown_code] = re.findall(r"<pre[^>]*><code>(&lt;form.*?)</code>", text, re.DOTALL)
    code = html.unescape(shown_code)
    assert code.replace("eyJ0…", TICKET) in text
    assert TICKET not in code
    assert f'action="/u/{TICKET}"' in text


def test_the_script_that_it_shows_is_its_own() -> None:
    """The dropzone settings that the page shows are those that the browser loads."""
    source = (PACKAGE / "static/src/examples.js").read_text()
    template = (PACKAGE / "templates/examples/dropzone.html").read_text()
    [code] = re.findall(r"<code>(const zone.*?)</code>", template, re.DOTALL)
    assert html.unescape(code).strip() == source.partition("\n\n")[2].strip()


def test_the_page_of_a_refusal_learns_where_the_form_was(shown: Console) -> None:
    """A browser sends the address of an example's page to this service, so a refusal can link to
    the page.
    """
    reply = editor(shown).get(PAGES[0])
    assert reply.headers["Referrer-Policy"] == "same-origin"
    assert 'name="redirect"' not in reply.text


def test_after_the_upload_it_says_so(shown: Console) -> None:
    """An example's page says after an upload, only once, that the file is stored."""
    browser = editor(shown)
    address = afterwards(shown, browser)
    give_tickets(shown.gateway, files=1)
    reply = browser.get(address)
    assert (reply.status_code, reply.location) == (303, "/console/examples/one-file")
    assert "It is stored." in browser.get("/console/examples/one-file").text
    assert "It is stored." not in browser.get("/console/examples/one-file").text


def afterwards(shown: Console, browser: Browser) -> str:
    """Return the path to which the form of an example redirects."""
    asked = give_tickets(shown.gateway)
    browser.get("/console/examples/one-file")
    [address] = rules_of(asked[-1])["redirect"]
    return str(address).removeprefix("http://localhost")


def test_after_a_refusal_it_does_not_say_so(shown: Console) -> None:
    """An example's page claims no success when no file has arrived."""
    browser = editor(shown)
    browser.get(afterwards(shown, browser))
    text = browser.get("/console/examples/one-file").text
    assert "It is stored." not in text
    assert "No new file has arrived." in text


def test_another_site_makes_nobody_believe_that_it_is_stored(shown: Console) -> None:
    """An example's page claims no success when another site links to it after an upload."""
    browser = editor(shown)
    give_tickets(shown.gateway, files=1)
    browser.get("/console/examples/one-file/stored")
    assert "It is stored." not in browser.get("/console/examples/one-file").text


def test_pictures_come_by_one_link_for_a_minute(shown: Console) -> None:
    """Pictures are shown by a link that is valid for a minute; other files are shown by name."""
    text = page(shown, "/console/examples/thumbnails")
    assert text.count("<img") == 1
    assert 'src="/s/link/a%20b.png"' in text
    assert "n.txt" in text
    [call] = shown.gateway.called("POST", "/v1/links")
    assert call.json == {
        "bucket": "default",
        "prefix": "examples/",
        "expires_in": 60,
        "disposition": "inline",
        "listed": False,
    }


def test_pictures_are_not_shown_on_the_consoles_own_address(
    tmp_path: Path, gateway: FakeGateway
) -> None:
    """Without a content origin the page shows no pictures, except on the local machine."""
    settings = Settings(
        data=tmp_path / "data",
        console_door=gateway.path,
        console_examples=True,
        issuer="https://files.example/auth",
    )
    browser = editor(with_documents(console_on(settings, gateway)), "https://files.example")
    text = browser.get("/console/examples/thumbnails").text
    assert "a b.png" in text
    assert "<img" not in text


def test_their_policy_is_their_own(tmp_path: Path, gateway: FakeGateway) -> None:
    """The examples allow pictures from `data:` and `blob:` addresses, but no inline script."""
    origin = "https://content.example"
    settings = Settings(
        data=tmp_path / "data",
        console_door=gateway.path,
        console_examples=True,
        content_origin=origin,
    )
    browser = editor(with_documents(console_on(settings, gateway)))
    for path in PAGES:
        policy = browser.get(path).headers["Content-Security-Policy"]
        assert policy == (
            "default-src 'none'; script-src 'self'; style-src 'self'; "
            f"img-src 'self' data: blob: {origin}; connect-src 'self'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'; report-uri /console/csp-reports"
        )
