"""Pages about files have the parts that every page must have."""

from __future__ import annotations

import pytest

from tests.servers.console import Browser, Console
from tests.servers.console_documents import file_document, serve_file
from tests.servers.fake_gateway import Reply, problem
from tests.unit.console.test_templates import check

SEEN = '"1" 1 2026-11-18T10:00:00+00:00'
KINDS = ("image/png", "video/mp4", "audio/mpeg", "text/plain", "application/pdf")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_of_each_kind(console: Console, kind: str, language: str) -> None:
    """The page of a file is complete for each type, with and without a preview, for each role."""
    serve_file(console.gateway, "x/a", media_type=kind, metadata={"k": "v"})
    for role in ("viewer", "owner"):
        browser = console.person(role)
        headers = {"Accept-Language": language}
        check(kind, browser.get("/console/b/docs/f/x/a", headers=headers).text)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_lists_and_grids(console: Console, language: str) -> None:
    """Lists and grids have all parts, with pictures, folders, another order and a next page."""
    files = [file_document(f"a/{number}", media_type=kind) for number, kind in enumerate(KINDS)]
    listing = {"files": files, "prefixes": ["a/b/"], "next_cursor": "next"}
    console.gateway.on("GET", "/v1/files/docs", Reply(listing))
    headers = {"Accept-Language": language}
    for role in ("viewer", "owner"):
        browser = console.person(role)
        for view in ("list", "grid"):
            browser.post("/console/b/docs/view", {"view": view})
            for query in ("?prefix=a/", "?prefix=a/&sort=newest", "?cursor=x"):
                path = f"/console/b/docs/{query}"
                check(path, browser.get(path, headers=headers).text)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_forms(console: Console, language: str) -> None:
    """Each form is completely rendered: a new form, a refused form, and a form after a conflict."""
    serve_file(console.gateway, metadata={"k": "v"})
    browser = console.person("owner")
    headers = {"Accept-Language": language}
    for page in ("rename", "describe", "replace"):
        check(page, browser.get(f"/console/b/docs/{page}/a.txt", headers=headers).text)
    several = {"key": ["a.txt", *map(str, range(20))], "confirmed": ""}
    for action in ("delete", "move", "links"):
        for form in (several, {"key": "a.txt", "version": SEEN}):
            page = browser.post(f"/console/b/docs/{action}", form, headers=headers).text
            check(action, page)
    check_refused(browser, headers)
    console.gateway.on("POST", "/v1/copies", problem(412, "precondition-failed"))
    form = {"name": "b", "version": SEEN}
    check("conflict", browser.post("/console/b/docs/rename/a.txt", form, headers=headers).text)


def check_refused(browser: Browser, headers: dict[str, str]) -> None:
    """Check forms with errors, and pages that show links."""
    wrong = {"name": ["a", "a"], "value": ["1", "2"], "expiry": "at"}
    stale = {"filename": "a", "expiry": "keep", "name": "mine", "value": "1"}
    chosen = {"key": "a.txt", "confirmed": "yes"}
    good = {**chosen, "seconds": "3600", "disposition": "inline"}
    for action, form in (
        ("describe/a.txt", wrong),
        ("describe/a.txt", stale),
        ("describe/a.txt", {**stale, "more": "yes"}),
        ("rename/a.txt", {"name": ""}),
        ("move", chosen),
        ("links", chosen),
        ("links", good),
        ("links", {**good, "key": ["a.txt", "b"]}),
    ):
        check(action, browser.post(f"/console/b/docs/{action}", form, headers=headers).text)
