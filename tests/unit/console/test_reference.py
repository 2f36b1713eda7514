"""The API reference at `/docs`: permissions, policy, and the page without scripts."""

from __future__ import annotations

import pytest

from tests.servers.console import Console
from tests.unit.console.test_templates import Page

DOCUMENTS = {
    "/docs": "/openapi.json",
    "/docs/": "/openapi.json",
    "/docs/auth": "/auth/openapi.json",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; worker-src blob:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; report-uri /console/csp-reports"
)
ASSETS = {name: f"/console/static/{name}" for name in ("redoc.js", "reference.js", "reference.css")}


@pytest.mark.parametrize("path", DOCUMENTS)
def test_each_document_has_a_page(
    console: Console, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Each page of `/docs` shows its document without a login and without a call of the API."""
    monkeypatch.setitem(console.app.jinja_env.globals, "asset", lambda name: ASSETS.get(name, ""))
    reply = console.visitor().get(path)
    assert reply.status_code == 200
    assert f'<div data-reference="{DOCUMENTS[path]}" lang="en">' in reply.text
    assert all(f'"{address}"' in reply.text for address in ASSETS.values())
    assert reply.text.count('aria-current="page"') == 1
    assert console.gateway.calls == []


@pytest.mark.parametrize("assets", [ASSETS, {}], ids=["built", "not built"])
def test_without_scripts_it_is_a_list(
    console: Console, monkeypatch: pytest.MonkeyPatch, assets: dict[str, str]
) -> None:
    """Without scripts, or without built files, the page has a heading and links the documents."""
    monkeypatch.setitem(console.app.jinja_env.globals, "asset", lambda name: assets.get(name, ""))
    html = console.visitor().get("/docs").text
    assert Page(html).faults == []
    assert ("<script" in html) == bool(assets)
    listed = html.partition('<div class="documents">')[2].partition("</div>")[0]
    assert "<h1>Reference of the API</h1>" in listed
    assert all(f'<a href="{document}">' in listed for document in DOCUMENTS.values())


def test_its_policy_is_its_own(console: Console) -> None:
    """The policy of `/docs` allows Redoc's inline styles; no other page allows them."""
    browser = console.visitor()
    assert browser.get("/docs").headers["Content-Security-Policy"] == POLICY
    for path in ("/docs/nothing", "/console/login"):
        assert "unsafe-inline" not in browser.get(path).headers["Content-Security-Policy"]


def test_there_are_no_other_documents(console: Console) -> None:
    """A path below `/docs` without a document gets 404."""
    reply = console.visitor().get("/docs/nothing")
    assert reply.status_code == 404
    assert 'role="alert"' in reply.text


@pytest.mark.parametrize("role", ["viewer", "owner"])
def test_every_page_leads_to_the_reference(console: Console, role: str) -> None:
    """The first page and the login page have a link to the reference."""
    assert '<a href="/docs">' in console.person(role).get("/console/").text
    assert '<a href="/docs">' in console.visitor().get("/console/login").text
