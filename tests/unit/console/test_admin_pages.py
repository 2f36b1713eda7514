"""The pages for owners and the account page: permissions, and the parts of each page."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.servers.console import Browser, Console
from tests.servers.console_documents import bucket_document
from tests.servers.console_people import (
    CLIENTS,
    EVIL,
    GROUPS,
    USERS,
    act_document,
    changes,
    client_document,
    group_document,
    secret_document,
    serve_groups,
    serve_people,
    user_document,
)
from tests.servers.fake_gateway import Reply, problem
from tests.unit.console.test_templates import check

ALL = {"viewer", "editor", "owner"}
OWNERS = {"owner"}
# Method, path, fields of the form, and the roles that may use the page.
ROUTES: list[tuple[str, str, dict[str, Any], set[str]]] = [
    ("GET", "/console/buckets/new", {}, OWNERS),
    ("POST", "/console/buckets/new", {"name": "photos"}, OWNERS),
    ("GET", "/console/b/docs/settings", {}, OWNERS),
    ("POST", "/console/b/docs/settings", {}, OWNERS),
    ("GET", "/console/b/docs/settings/delete", {}, OWNERS),
    ("POST", "/console/b/docs/settings/delete", {"confirmed": "yes"}, OWNERS),
    ("GET", "/console/members", {}, OWNERS),
    ("GET", "/console/members/new", {}, OWNERS),
    ("POST", "/console/members/new", {"username": "eve", "role": "viewer"}, OWNERS),
    ("GET", "/console/members/user-2", {}, OWNERS),
    ("POST", "/console/members/user-2", {"display_name": "B", "role": "editor"}, OWNERS),
    ("POST", "/console/members/user-2/state", {"state": "disabled"}, OWNERS),
    ("GET", "/console/members/user-2/password", {}, OWNERS),
    ("POST", "/console/members/user-2/password", {"confirmed": "yes"}, OWNERS),
    ("POST", "/console/members/user-2/sessions/end", {}, OWNERS),
    ("GET", "/console/members/user-2/delete", {}, OWNERS),
    ("POST", "/console/members/user-2/delete", {"confirmed": "yes"}, OWNERS),
    ("GET", "/console/members/import", {}, OWNERS),
    ("POST", "/console/members/import", {"lines": '[[2,"eve","","viewer"]]'}, OWNERS),
    ("POST", "/console/members/import/result", {"secret_made": "[]"}, OWNERS),
    ("GET", "/console/clients", {}, OWNERS),
    ("GET", "/console/clients/new", {}, OWNERS),
    (
        "POST",
        "/console/clients/new",
        {"name": "robot", "scopes": "files:read", "once": "a"},
        OWNERS,
    ),
    ("GET", "/console/clients/client-1", {}, OWNERS),
    ("POST", "/console/clients/client-1/secrets", {}, OWNERS),
    ("GET", "/console/clients/client-1/secrets/secret-1/retire", {}, OWNERS),
    ("POST", "/console/clients/client-1/secrets/secret-1/retire", {"confirmed": "yes"}, OWNERS),
    ("GET", "/console/clients/client-1/disable", {}, OWNERS),
    ("POST", "/console/clients/client-1/disable", {"confirmed": "yes"}, OWNERS),
    ("GET", "/console/clients/client-1/change", {}, OWNERS),
    (
        "POST",
        "/console/clients/client-1/change",
        {"name": "robot", "scopes": "files:read", "reach": "everything"},
        OWNERS,
    ),
    ("GET", "/console/members/user-2/reach", {}, OWNERS),
    ("POST", "/console/members/user-2/reach", {"reach": "places"}, OWNERS),
    ("GET", "/console/groups", {}, OWNERS),
    ("GET", "/console/groups/new", {}, OWNERS),
    ("POST", "/console/groups/new", {"name": "team", "reach": "places"}, OWNERS),
    ("GET", "/console/groups/group-1", {}, OWNERS),
    ("POST", "/console/groups/group-1", {"names": "bob"}, OWNERS),
    ("POST", "/console/groups/group-1/remove", {"subject": "user-2"}, OWNERS),
    ("GET", "/console/groups/group-1/change", {}, OWNERS),
    ("POST", "/console/groups/group-1/change", {"name": "team", "reach": "places"}, OWNERS),
    ("GET", "/console/groups/group-1/delete", {}, OWNERS),
    ("POST", "/console/groups/group-1/delete", {"confirmed": "yes"}, OWNERS),
    ("GET", "/console/audit", {}, OWNERS),
    ("GET", "/console/account", {}, ALL),
    (
        "POST",
        "/console/account",
        {
            "current_password": "old password",
            "new_password": "new password",
            "repeated_password": "new password",
        },
        ALL,
    ),
    ("POST", "/console/account/sessions/end", {"session": "session-2"}, ALL),
    ("POST", "/console/account/sessions/end-others", {}, ALL),
]
SUBJECTS = {"bucket_settings", "members", "member", "member_import", "clients", "client"}
SUBJECTS |= {"groups", "group"}
POSTS = [(path, form) for method, path, form, _ in ROUTES if method == "POST"]
PATHS = [path for method, path, _, _ in ROUTES if method == "GET"]


@pytest.fixture(autouse=True)
def _people(console: Console) -> None:
    serve_people(console.gateway)
    serve_groups(console.gateway)
    console.gateway.on("PUT", "/v1/buckets/.*", Reply(bucket_document()))
    console.gateway.on("DELETE", "/v1/buckets/docs", Reply(status=204))


def ask(browser: Browser, method: str, path: str, form: dict[str, Any]) -> Any:
    """Request a page, or send its form."""
    return browser.get(path) if method == "GET" else browser.post(path, form)


def test_no_route_is_forgotten(console: Console) -> None:
    """The list of pages in this file has every route of the owners' pages and the account page."""
    listed = {(method, path) for method, path, _, _ in ROUTES}
    names = {"bucket": "docs", "user_id": "user-2", "client_id": "client-1"}
    names["group"] = "group-1"
    names["secret_id"] = "secret-1"
    found = set()
    for rule in console.app.url_map.iter_rules():
        if rule.endpoint.partition(".")[0] in {*SUBJECTS, "audit", "account"}:
            path = re.sub(r"<(\w+)>", lambda name: names[name[1]], rule.rule)
            found |= {(one, path) for one in rule.methods or () if one in {"GET", "POST"}}
    assert found == listed


# The tests below visit all pages in one session, because a login and a console for each page would
# be slow.
@pytest.mark.parametrize("role", sorted(ALL))
def test_each_role_gets_its_pages(console: Console, role: str) -> None:
    """A person without permission gets 403 with the role that has the permission."""
    browser = console.person(role)
    for method, path, form, roles in ROUTES:
        before = changes(console.gateway)
        reply = ask(browser, method, path, form)
        if role in roles:
            assert reply.status_code in {200, 201, 303, 412}, (method, path, reply.text)
        else:
            assert reply.status_code == 403, (method, path)
            assert "“owner”" in reply.text, (method, path)
            assert changes(console.gateway) == before, (method, path)


def test_a_form_without_the_token_of_this_session_does_nothing(console: Console) -> None:
    """A form changes nothing without this session's token, or when another site sends it."""
    browser, attacker = console.person(), console.person()
    page = attacker.get("/console/").text
    stolen = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert stolen
    own = browser.get("/console/").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', own)
    assert token
    before = changes(console.gateway)
    for path, form in POSTS:
        assert browser.client.post(path, data=form).status_code == 400, path
        foreign = {**form, "csrf_token": stolen[1]}
        assert browser.client.post(path, data=foreign).status_code == 400, path
        headers = {"Sec-Fetch-Site": "cross-site"}
        data = {**form, "csrf_token": token[1]}
        assert browser.client.post(path, data=data, headers=headers).status_code == 403, path
        assert changes(console.gateway) == before, path


def test_a_get_changes_nothing(console: Console) -> None:
    """A GET request for any page changes nothing."""
    browser = console.person()
    for path in PATHS:
        before = changes(console.gateway)
        assert browser.get(path).status_code == 200, path
        assert browser.get(path, query_string={"confirmed": "yes"}).status_code == 200, path
        assert changes(console.gateway) == before, path


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_has_what_a_page_needs(console: Console, language: str) -> None:
    """Every page has one first heading, labels, unique ids and a title, in both languages."""
    browser = console.person()
    for path in PATHS:
        html = browser.get(path, headers={"Accept-Language": language}).text
        check(path, html)
        assert f'<html lang="{"en" if language == "en" else "zh-Hans"}"' in html, path


def test_every_page_after_a_form_has_what_a_page_needs(console: Console) -> None:
    """Every page after a form, with a result or with errors, has the parts of other pages."""
    browser = console.person()
    for path, form in POSTS:
        for data in (form, {}):
            reply = browser.post(path, data)
            if reply.mimetype == "text/html" and reply.status_code != 303:
                check(f"{path} {data}", reply.text)


def test_names_do_no_harm(console: Console) -> None:
    """Scripts in names of people, clients, browsers and acts are shown as text."""
    gateway = console.gateway
    person = user_document(EVIL, role=EVIL, display_name=EVIL, state=EVIL)
    gateway.on("GET", USERS, Reply({"users": [person], "next_cursor": EVIL}))
    gateway.on("GET", f"{USERS}/user-2", Reply(person))
    client = client_document(EVIL, scopes=[EVIL], state="active")
    gateway.on("GET", CLIENTS, Reply({"clients": [client], "next_cursor": EVIL}))
    gateway.on("GET", f"{CLIENTS}/client-1", Reply(client))
    grants = [{"bucket": EVIL, "prefix": EVIL, "actions": ["read"]}]
    group = group_document(EVIL, scopes=[EVIL], grants=grants)
    gateway.on("GET", GROUPS, Reply({"groups": [group], "next_cursor": EVIL}))
    gateway.on("GET", f"{GROUPS}/group-1", Reply(group))
    secrets = [secret_document(hint=EVIL)]
    gateway.on("GET", f"{CLIENTS}/client-1/secrets", Reply({"secrets": secrets}))
    act = act_document(act=EVIL, actor=EVIL, about=EVIL, outcome=EVIL, address=EVIL)
    gateway.on("GET", "/auth/v1/audit", Reply({"acts": [act], "next_before": 1}))
    policy = {"allowed_types": [EVIL], "allowed_extensions": [EVIL], "cors_origins": [EVIL]}
    gateway.on("GET", "/v1/buckets/docs", Reply(bucket_document(name=EVIL, **policy)))
    session = {"session_id": EVIL, "address": EVIL, "user_agent": EVIL, "current": False}
    times = dict.fromkeys(("created_at", "used_at", "expires_at"), "2026-11-18T10:00:00.000Z")
    gateway.on("GET", "/auth/sessions", Reply({"sessions": [session | times]}))
    browser = console.person(tenant_display_name=EVIL, display_name=EVIL)
    for path in PATHS:
        reply = browser.get(path, query_string={"actor": EVIL})
        assert reply.status_code == 200, path
        assert "<script>" not in reply.text, path
        assert "&lt;script&gt;" in reply.text, path


@pytest.mark.parametrize(
    ("path", "up"),
    [
        ("/console/members/nobody", "/console/members"),
        ("/console/members/nobody/delete", "/console/members"),
        ("/console/clients/none", "/console/clients"),
        ("/console/groups/none/delete", "/console/groups"),
        ("/console/clients/client-1/secrets/none/retire", "/console/clients"),
        ("/console/b/gone/settings", "/console/b/gone/"),
    ],
)
def test_what_is_gone_leads_one_level_up(console: Console, path: str, up: str) -> None:
    """The page for an absent or deleted entry has a link one level up."""
    reply = console.person().get(path)
    assert reply.status_code == 404
    assert f'<a href="{up}">One level up' in reply.text


def test_an_api_that_is_down_is_told(console: Console) -> None:
    """Pages that need the unavailable API respond with 503 and the seconds to wait."""
    browser = console.person()
    console.gateway.on("GET", "/auth/.*|/v1/.*", problem(503, "unavailable", retry_after=7))
    for path in PATHS:
        reply = browser.get(path)
        if path.endswith(("/new", "/members/import")):
            assert reply.status_code == 200, path
        else:
            assert reply.status_code == 503, path
            assert reply.headers["Retry-After"] == "7", path
            assert "Try again in 7 seconds." in reply.text, path


def test_the_navigation_has_what_a_role_may_see(console: Console) -> None:
    """The navigation has the account page for each role, and owners' pages for owners only."""
    for role in ("viewer", "editor", "owner"):
        page = console.person(role).get("/console/").text
        assert 'href="/console/account"' in page
        for path in ("/console/members", "/console/clients", "/console/groups", "/console/audit"):
            assert (f'href="{path}"' in page) == (role == "owner")
        assert ('href="/console/buckets/new"' in page) == (role == "owner")
    assert 'href="/console/b/docs/settings"' in console.person().get("/console/b/docs/").text
