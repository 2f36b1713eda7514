"""Permissions of the console's pages: which are open, which need a login, and which need a role."""

from __future__ import annotations

import re

import pytest

from tests.servers.console import Console
from tests.servers.console_documents import serve_file
from wharf_console.web import access

# The pages that need no login. A new page needs a reason in its declaration.
OPEN = {
    "csp_reports.report",
    "guests.drop",
    "guests.sent",
    "icon.icon",
    "reference.document",
    "session.login",
    "session.logout",
    "session.preferences",
    "static_files.static_file",
}
# Method, path, and the roles that may use the page.
ROUTES = [
    ("GET", "/console/", {"viewer", "editor", "owner"}),
    ("GET", "/console/b/docs/", {"viewer", "editor", "owner"}),
    ("GET", "/console/b/docs/f/a.txt", {"viewer", "editor", "owner"}),
    ("GET", "/console/b/docs/open/a.txt", {"viewer", "editor", "owner"}),
    ("GET", "/console/b/docs/thumb/a.txt?w=64", {"viewer", "editor", "owner"}),
    ("GET", "/console/b/docs/rename/a.txt", {"editor", "owner"}),
    ("GET", "/console/b/docs/describe/a.txt", {"editor", "owner"}),
    ("GET", "/console/b/docs/replace/a.txt", {"editor", "owner"}),
    ("POST", "/console/b/docs/view", {"viewer", "editor", "owner"}),
    ("POST", "/console/b/docs/links", {"viewer", "editor", "owner"}),
    ("POST", "/console/b/docs/move", {"editor", "owner"}),
    ("POST", "/console/b/docs/delete", {"editor", "owner"}),
    ("GET", "/console/tickets", {"editor", "owner"}),
    ("GET", "/console/tickets/new", {"editor", "owner"}),
    ("GET", "/console/uploads", {"editor", "owner"}),
    ("POST", "/console/uploads/1/cancel", {"editor", "owner"}),
    ("GET", "/console/b/docs/uploaded", {"editor", "owner"}),
    ("GET", "/console/links", {"viewer", "editor", "owner"}),
    ("POST", "/console/links/1/end", {"viewer", "editor", "owner"}),
    ("POST", "/console/live-token", {"viewer", "editor", "owner"}),
]


def test_only_what_is_listed_is_open(console: Console) -> None:
    """Exactly the listed routes need no login, and each of them states why."""
    found = access.open_views(console.app)
    assert found.keys() == OPEN
    assert all(found.values())


def test_every_other_page_leads_to_the_login(console: Console) -> None:
    """Every page that needs a login redirects a visitor to the login, without a call of the API."""
    browser = console.visitor()
    token = browser.token()
    for rule in console.app.url_map.iter_rules():
        kit = getattr(console.app.view_functions[rule.endpoint], "protection", None)
        if rule.endpoint in OPEN or kit is not None:
            continue
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            form = {"csrf_token": token} if method == "POST" else None
            reply = browser.client.open(path, method=method, data=form)
            assert reply.status_code == 303, (method, path, reply.status_code)
            assert reply.location.startswith("/console/login?next=/console/"), path
    assert console.gateway.calls == []


@pytest.mark.parametrize("role", ["viewer", "editor", "owner"])
def test_each_role_gets_its_pages(console: Console, role: str) -> None:
    """A page that a role may not use responds with 403 and names the roles that may."""
    serve_file(console.gateway)
    browser = console.person(role)
    for method, path, roles in ROUTES:
        reply = browser.get(path) if method == "GET" else browser.post(path)
        if role in roles:
            assert reply.status_code in {200, 303}, path
        else:
            assert reply.status_code == 403, path
            assert "“editor”" in reply.text, path


def test_a_role_is_shown_only_what_it_may_do(console: Console) -> None:
    """A viewer's pages offer links and downloads but no change of a file, and request no events."""
    serve_file(console.gateway)
    browser = console.person("viewer")
    for path in ("/console/b/docs/", "/console/b/docs/f/a.txt"):
        page = browser.get(path).text
        assert 'action="/console/b/docs/links"' in page
        for words in ("Delete", "Move", "Rename", "Replace", "Change details"):
            assert words not in page
    browser.get("/console/")
    assert console.gateway.called("GET", "/v1/events") == []


def test_probes_and_metrics_need_no_login(console: Console) -> None:
    """Health and readiness checks need no login; metrics are served on the internal port only."""
    browser = console.visitor()
    assert browser.get("/console/healthz").status_code == 200
    assert browser.get("/console/readyz").get_json() == {"status": "ready"}
    assert browser.get("/metrics").status_code == 404
    told = browser.get("/console/metrics", environ_overrides={"WHARF_INTERNAL": "1"})
    assert told.status_code == 200
    assert "wharf_console_logins_total" in told.text


def test_the_log_and_the_gateway_are_told_who_asks(console: Console) -> None:
    """Each response names tenant and user in fields for the gateway, which counts by tenant."""
    assert console.person().get("/console/").headers["X-Wharf-Who"] == "acme/user-1"
    assert "X-Wharf-Who" not in console.visitor().get("/console/login").headers
