"""Templates: each can be used, and every page has the required parts."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.servers.console import Console
from tests.servers.console_documents import bucket_document, file_document
from tests.servers.console_tickets import give_tickets
from tests.servers.fake_gateway import Reply, problem

_VOID = frozenset(("br", "hr", "img", "input", "link", "meta", "path"))


class Page(HTMLParser):
    """A parser that collects the faults in the structure of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.labelled: set[str] = set()
        self.fields: list[dict[str, str | None]] = []
        self._open: list[str] = []
        self.feed(html)
        self.faults += [f"<{tag}> stays open" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element with its id and labels."""
        found = dict(attrs)
        self.tags.append(tag)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag == "label" and found.get("for"):
            self.labelled.add(str(found["for"]))
        if tag in {"input", "select", "textarea"} and found.get("type") not in {"hidden", "submit"}:
            inside = "label" in self._open
            if not (inside or found.get("aria-label")):
                self.fields.append(found)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element without content, for example a picture."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close an element. It must be the element that was opened last."""
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes another element")


def test_every_template_can_be_used(console: Console) -> None:
    """Every template can be loaded: it has no syntax error and no unknown filter."""
    names = console.app.jinja_env.list_templates(extensions=["html"])
    assert len(names) > 10
    for name in names:
        console.app.jinja_env.get_template(name)


def test_a_name_that_is_not_there_is_an_error(console: Console) -> None:
    """A template with an unknown name raises an error when it is rendered."""
    template = console.app.jinja_env.from_string("{{ nothing_of_this_name }}")
    with pytest.raises(Exception, match="nothing_of_this_name"):
        template.render()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("role", ["viewer", "owner"])
def test_every_page_has_what_a_page_needs(console: Console, role: str, language: str) -> None:
    """Every page has one main heading, one main part, a skip link, labels, unique ids, a title."""
    console.gateway.on("GET", "/v1/buckets/full", Reply(bucket_document("full", public=True)))
    files = [file_document(f"a/{number}.txt") for number in range(3)]
    listing = {"files": files, "prefixes": ["a/b/"], "next_cursor": "next"}
    console.gateway.on("GET", "/v1/files/full", Reply(listing))
    console.gateway.on("GET", "/v1/buckets/busy", problem(503, "unavailable", retry_after=1))
    browser = console.person(role)
    give_tickets(console.gateway)
    visitor = console.visitor()
    headers = {"Accept-Language": language}
    pages = {
        path: browser.get(path, headers=headers).text
        for path in (
            "/console/",
            "/console/b/docs/",
            "/console/b/docs/?prefix=none",
            "/console/b/full/?prefix=a/&cursor=x",
            "/console/b/nothing/",
            "/console/b/docs/upload",
            "/console/tickets",
            "/console/tickets/new",
            "/console/links",
            "/console/links/revoke",
            "/console/uploads",
            "/console/activity",
            "/console/drop/x",
            "/console/drop/sent",
            "/console/b/busy/",
        )
    }
    pages["login"] = visitor.get("/console/login", headers=headers).text
    pages["plain"] = visitor.get(
        "/console/login", headers=headers, base_url="http://files.example"
    ).text
    pages["wrong"] = visitor.post("/console/login", {}, headers=headers).text
    if role == "owner":
        form = {"key": ["a", "b"]}
        pages["delete"] = browser.post("/console/b/docs/delete", form, headers=headers).text
    for path, html in pages.items():
        check(path, html)


def check(path: str, html: str) -> None:
    """Check the structure of one page."""
    page = Page(html)
    assert page.faults == [], path
    assert page.tags.count("h1") == 1, path
    assert page.tags.count("main") == 1, path
    assert page.tags.index("h1") < min(
        (page.tags.index(tag) for tag in ("h2", "h3") if tag in page.tags), default=10**6
    ), path
    assert len(page.ids) == len(set(page.ids)), path
    unlabelled = [one for one in page.fields if one.get("id") not in page.labelled]
    assert unlabelled == [], path
    assert re.search("<title>\\s*\\S.* \N{EN DASH} Wharf</title>", html), path
    assert '<a class="skip-link" href="#content">' in html, path
    for words in re.findall(r'(?:aria-describedby|aria-labelledby)="([^"]+)"', html):
        assert set(words.split()) <= set(page.ids), (path, words)


def test_the_first_wrong_field_gets_the_focus(console: Console) -> None:
    """Each wrong field has a message and is marked as invalid, and the first one gets the focus."""
    reply = console.visitor().post("/console/login", {"tenant": "acme"})
    assert reply.status_code == 422
    assert reply.text.count("autofocus") == 1
    assert re.search(r"<input[^>]*autofocus[^>]*name=\"username\"", reply.text)
    assert reply.text.count('aria-invalid="true"') == 2
    assert "Enter your password." in reply.text
