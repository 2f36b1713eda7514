"""The pages of webhooks: the list, new endpoints, changes, the log and deliveries."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.servers.console import Browser, Console
from tests.servers.console_people import EVIL, changes
from tests.servers.console_webhooks import (
    DELIVERY,
    HOOK,
    HOOKS,
    SECRET,
    delivery_document,
    serve_webhooks,
)
from tests.servers.fake_gateway import Reply, problem
from tests.unit.console.test_templates import check

LIST, NEW, ONE = "/console/webhooks", "/console/webhooks/new", f"/console/webhooks/{HOOK}"
API = f"{HOOKS}/{HOOK}"
FORM = {"url": "https://hooks.example.com/wharf", "kinds": "file.created"}
POSTS: list[tuple[str, dict[str, str]]] = [
    (NEW, FORM),
    (f"{ONE}/change", FORM),
    (f"{ONE}/test", {}),
    (f"{ONE}/pause", {}),
    (f"{ONE}/continue", {}),
    (f"{ONE}/enable", {"from": "now"}),
    (f"{ONE}/rotate", {"confirmed": "yes", "once": "mark"}),
    (f"{ONE}/delete", {"confirmed": "yes"}),
    (f"{ONE}/replay", {}),
    (f"{ONE}/deliveries/{DELIVERY}/retry", {}),
]
PATHS = [
    *(LIST, NEW, ONE),
    *(f"{ONE}/{act}" for act in ("change", "rotate", "delete", "replay")),
    f"{ONE}/deliveries/{DELIVERY}",
]


@pytest.fixture(autouse=True)
def _webhooks(console: Console) -> None:
    serve_webhooks(console.gateway)


def once(browser: Browser, path: str) -> str:
    """Return the value by which the console recognizes a form that is sent twice."""
    found = re.search(r'name="once"[^>]*value="([^"]+)"', browser.get(path).text)
    assert found
    return found[1]


def page(console: Console, path: str = ONE, **fields: Any) -> str:
    """Return a page of the endpoint, which has these fields, after a check of its structure."""
    serve_webhooks(console.gateway, **fields)
    reply = console.person().get(path)
    assert reply.status_code == 200, reply.text
    check(path, reply.text)
    return reply.text


def test_only_owners_have_these_pages(console: Console) -> None:
    """A person without `webhooks:admin` gets 403 with the role that has it, and changes nothing."""
    browser = console.person("editor")
    replies = [browser.get(path) for path in PATHS]
    replies += [browser.post(path, form) for path, form in POSTS]
    assert {reply.status_code for reply in replies} == {403}
    assert all("“owner”" in reply.text for reply in replies)
    assert changes(console.gateway) == []
    assert 'href="/console/webhooks"' not in browser.get("/console/").text
    assert 'href="/console/webhooks"' in console.person().get("/console/").text


def test_every_route_is_in_the_tests(console: Console) -> None:
    """The lists of this file have every route of the pages of webhooks."""
    names = {"hook": HOOK, "name": DELIVERY}
    found = set()
    for rule in console.app.url_map.iter_rules():
        if rule.endpoint.partition(".")[0] in {"webhooks", "webhook"}:
            path = re.sub(r"<(\w+)>", lambda name: names[name[1]], rule.rule)
            found |= {(one, path) for one in rule.methods or () if one in {"GET", "POST"}}
    listed = {("GET", path) for path in PATHS} | {("POST", path) for path, _ in POSTS}
    assert found == listed


def test_forms_need_the_token_of_the_session(console: Console) -> None:
    """A form without the token of this session changes nothing, and neither does a GET."""
    browser = console.person()
    for path, form in POSTS:
        assert browser.client.post(path, data=form).status_code == 400, path
    for path in PATHS:
        assert browser.get(path, query_string={"confirmed": "yes"}).status_code == 200, path
    assert changes(console.gateway) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_has_what_a_page_needs(console: Console, language: str) -> None:
    """Every page has one first heading, labels and unique ids, in both languages, also on errors.

    Names with scripts are shown as text.
    """
    browser = console.person(display_name=EVIL)
    many = {"url": EVIL, "description": EVIL, "kinds": [EVIL], "bucket": EVIL, "prefix": EVIL}
    serve_webhooks(console.gateway, **many, state="disabled", reason=EVIL)
    one = delivery_document(kind=EVIL, answer=EVIL, error=EVIL, status=None)
    console.gateway.on("GET", f"{API}/deliveries", Reply({"deliveries": [one]}))
    console.gateway.on("GET", f"{API}/deliveries/{DELIVERY}", Reply(one))
    for path in PATHS:
        html = browser.get(path, headers={"Accept-Language": language}).text
        check(path, html)
        assert "<script>" not in html, path
        assert "&lt;script&gt;" in html, path
    for path in (NEW, f"{ONE}/change"):
        reply = browser.post(path, {"url": EVIL, "once": "x"})
        assert reply.status_code == 422
        check(path, reply.text)


def test_a_tenant_without_endpoints(console: Console) -> None:
    """An empty list says what endpoints are for."""
    console.gateway.on("GET", HOOKS, Reply({"endpoints": []}))
    shown = console.person().get(LIST).text
    assert "No endpoint yet" in shown
    assert f'href="{NEW}"' in shown


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "active"),
        ({"state": "paused"}, '<span class="badge">paused</span>'),
        ({"state": "disabled", "reason": "It is gone."}, '<span class="badge">disabled</span>'),
        ({"failing_since": "2026-11-18T10:00:00Z"}, '<span class="badge">failing</span> since'),
        ({"kinds": []}, "all events"),
        ({"kinds": ["file.created", "next.kind"]}, "Uploaded, next.kind"),
        ({"bucket": "docs", "prefix": "a/"}, "of <bdi>docs/a/</bdi>"),
        ({"prefix": "a/"}, "of <bdi>*/a/</bdi>"),
    ],
)
def test_the_list(console: Console, fields: dict[str, Any], words: str) -> None:
    """The list and the page of an endpoint show in words its state and which events it receives."""
    assert words in page(console, LIST, **fields)
    assert words in page(console, ONE, **fields)


def test_a_new_endpoint(console: Console) -> None:
    """The response to the form shows the secret with a button to copy it, and no later page does.

    The same form makes no second endpoint.
    """
    browser = console.person()
    form = {**FORM, "bucket": " docs ", "description": " Index ", "once": once(browser, NEW)}
    reply = browser.post(NEW, form)
    assert reply.status_code == 201
    assert reply.headers["Cache-Control"] == "no-store"
    assert f'id="endpoint-secret" value="{SECRET}"' in reply.text
    assert 'data-copy="#endpoint-secret"' in reply.text
    check(NEW, reply.text)
    again = browser.post(NEW, form)
    assert (again.status_code, again.location) == (303, LIST)
    [call] = console.gateway.called("POST", HOOKS)
    assert call.json == {
        "url": "https://hooks.example.com/wharf",
        "description": "Index",
        "kinds": ["file.created"],
        "bucket": "docs",
        "prefix": None,
        "ordered": False,
    }
    assert all(SECRET not in browser.get(path).text for path in PATHS)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": ""}, "url"),
        ({"url": "hooks.example.com"}, "url"),
        ({"url": "https://a b"}, "url"),
        ({"url": f"https://a/{'x' * 2000}"}, "url"),
        ({"description": "x" * 201}, "description"),
        ({"kinds": "file.unknown"}, "kinds"),
        ({"bucket": "x" * 64}, "bucket"),
        ({"prefix": "x" * 1025}, "prefix"),
    ],
)
def test_wrong_values(console: Console, fields: dict[str, str], field: str) -> None:
    """A wrong value has its error at the field, in both forms, and nothing is sent to the API."""
    browser = console.person()
    for path in (NEW, f"{ONE}/change"):
        reply = browser.post(path, {**FORM, "once": "mark", **fields})
        assert reply.status_code == 422
        assert f'<small id="{field}-error" class="error">' in reply.text
    assert changes(console.gateway) == []


@pytest.mark.parametrize(
    ("refusal", "field"),
    [
        (problem(422, "endpoint-not-allowed", "The URL is not allowed: why."), "url"),
        (problem(400, "invalid-key", "The bucket is no name."), "bucket"),
        (problem(409, "tenant-limit-reached", "At most 20 endpoints."), ""),
    ],
)
def test_refusals(console: Console, refusal: Reply, field: str) -> None:
    """A refusal of the API is shown at its field, or above the form, which keeps its input."""
    console.gateway.on("POST", HOOKS, refusal)
    console.gateway.on("PATCH", API, refusal)
    browser = console.person()
    for path in (NEW, f"{ONE}/change"):
        reply = browser.post(path, {**FORM, "once": "mark"})
        assert reply.status_code == 422
        where = f'<small id="{field}-error" class="error">' if field else 'role="alert">'
        assert where + refusal.content["detail"] in reply.text  # type: ignore[index]
        assert f'value="{FORM["url"]}"' in reply.text


def test_a_change(console: Console) -> None:
    """The form shows the endpoint, keeps kinds of a newer release, and sends all properties."""
    fields = {"kinds": ["file.created", "next.kind"], "bucket": "docs", "ordered": True}
    shown = page(console, f"{ONE}/change", **fields)
    assert set(re.findall(r'<input[^>]* ?checked[^>]*value="([^"]+)"', shown)) == {
        *fields["kinds"],  # type: ignore[misc]
        "y",
    }
    form = {"url": "https://b.example/", "kinds": ["next.kind"], "prefix": "b/"}
    reply = console.person().post(f"{ONE}/change", form)
    assert (reply.status_code, reply.location) == (303, ONE)
    [call] = console.gateway.called("PATCH", API)
    assert call.json == {**form, "description": "", "bucket": None, "ordered": False}
