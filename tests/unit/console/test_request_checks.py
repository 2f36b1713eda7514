"""Requests that another site makes a browser send are refused, and nothing is done."""

from __future__ import annotations

import re

import pytest

from tests.servers.console import Browser, Console
from tests.servers.console_documents import LOGIN, grant

DELETE = "/console/b/docs/delete"
FORM = {"key": "a.txt", "confirmed": "yes"}


def test_a_form_without_a_token_does_nothing(console: Console) -> None:
    """A form without a token changes nothing, and the page says so."""
    browser = console.person()
    reply = browser.client.post(DELETE, data=FORM)
    assert reply.status_code == 400
    assert "nothing was done" in reply.text
    assert not any(call.method == "DELETE" for call in console.gateway.calls)


def test_a_form_of_another_session_does_nothing(console: Console) -> None:
    """A token that an attacker got for his own session is of no use in another one."""
    browser, attacker = console.person(), console.person()
    reply = browser.client.post(DELETE, data={**FORM, "csrf_token": form_token(attacker)})
    assert reply.status_code == 400
    assert not any(call.method == "DELETE" for call in console.gateway.calls)


def test_a_token_of_before_the_login_is_no_use_after_it(console: Console) -> None:
    """Who planted a session before the login cannot send forms after it."""
    grant(console.gateway)
    browser = console.visitor()
    before = browser.token()
    browser.post("/console/login", LOGIN)
    assert browser.client.post(DELETE, data={**FORM, "csrf_token": before}).status_code == 400


def test_a_form_is_good_for_as_long_as_the_session(console: Console) -> None:
    """A page that was open over night can be sent."""
    assert console.app.config["WTF_CSRF_TIME_LIMIT"] is None


def test_the_token_may_be_in_a_header(console: Console) -> None:
    """A script may send the token in a header field."""
    browser = console.person()
    headers = {"X-CSRFToken": form_token(browser)}
    assert browser.client.post(DELETE, data=FORM, headers=headers).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
def test_another_site_is_refused_even_with_a_token(
    console: Console, headers: dict[str, str]
) -> None:
    """The check does not depend on the token, and comes before the login, too."""
    browser = console.person()
    token = form_token(browser)
    reply = browser.client.post(DELETE, data={**FORM, "csrf_token": token}, headers=headers)
    assert reply.status_code == 403
    assert not any(call.method == "DELETE" for call in console.gateway.calls)
    visitor = console.visitor()
    form = {**LOGIN, "csrf_token": visitor.token()}
    assert visitor.client.post("/console/login", data=form, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
        {"Origin": "http://127.0.0.1:8080"},
    ],
)
def test_our_own_pages_are_not(console: Console, headers: dict[str, str]) -> None:
    """Pages with `no-referrer` send `Origin: null`; the browser says that it is the same origin."""
    browser = console.person()
    assert browser.post(DELETE, FORM, headers=headers).status_code == 303


def test_a_get_changes_nothing(console: Console) -> None:
    """What deletes, logs in or out is no GET."""
    browser = console.person()
    assert browser.get(DELETE).status_code == 405
    assert browser.get("/console/logout").status_code == 405
    assert browser.get("/console/").status_code == 200


def form_token(browser: Browser) -> str:
    """The token in the forms of a page of the person who is logged in."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/console/").text)
    assert found
    return found[1]
