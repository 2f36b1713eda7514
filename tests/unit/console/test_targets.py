"""Redirects after a login or a form lead only to pages of the console."""

from __future__ import annotations

import pytest

from tests.servers.console import Console
from tests.servers.console_documents import LOGIN, grant
from wharf_console.web.targets import below_console

GOOD = [
    "/console/",
    "/console/b/docs/?prefix=a%2Fb",
    "/console/b/docs/f/a/b.txt",
    "/console/b/docs/?prefix=https://x",
    "/console/b/文档/",
]
BAD = [
    "",
    "https://evil.example/console/",
    "//evil.example/console/",
    "/\\evil.example/console/",
    "/console",
    "/consoles/",
    "/auth/login",
    "/console/../auth/logout",
    "/console/%2e%2e/auth/logout",
    "/console//evil.example",
    "/console/\\evil.example",
    "/console/%5Cevil.example",
    "/console/\nSet-Cookie: a=b",
    "/console/%0d%0aSet-Cookie:a=b",
    "javascript:alert(1)//console/",
    " /console/",
    "/console/../../console/../x",
]


@pytest.mark.parametrize("target", GOOD)
def test_a_path_below_the_console_is_kept(target: str) -> None:
    """A redirect to a path below `/console/` keeps the path's query and escapes."""
    assert below_console(target) == target


@pytest.mark.parametrize("target", BAD)
def test_everything_else_becomes_the_first_page(target: str) -> None:
    """A redirect to an address outside the console is replaced by the first page."""
    assert below_console(target) == "/console/"


@pytest.mark.parametrize("target", BAD[1:])
def test_a_login_does_not_lead_out(console: Console, target: str) -> None:
    """A login leads to no other site, whether the target is in the query or in the form."""
    grant(console.gateway)
    browser = console.visitor()
    page = browser.get("/console/login", query_string={"next": target})
    assert 'name="next" type="hidden" value="/console/"' in page.text
    reply = browser.post("/console/login", {**LOGIN, "next": target})
    assert reply.location == "/console/"
    again = browser.get("/console/login", query_string={"next": target})
    assert (again.status_code, again.location) == (303, "/console/")


@pytest.mark.parametrize("target", BAD[1:])
def test_a_choice_of_language_does_not_lead_out(console: Console, target: str) -> None:
    """The form for the language and the `back` of a form lead only to pages of the console."""
    form = {"language": "en", "theme": "dark", "next": target}
    assert console.visitor().post("/console/preferences", form).location == "/console/"
    person = console.person()
    form = {"key": "a", "confirmed": "yes", "back": target}
    assert person.post("/console/b/docs/delete", form).location == "/console/b/docs/"
