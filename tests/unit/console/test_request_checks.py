"""Requests that another site makes a browser send are refused and change nothing."""

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
    """A form with the token of another session is refused."""
    browser, attacker = console.person(), console.person()
    reply = browser.client.post(DELETE, data={**FORM, "csrf_token": form_token(attacker)})
    assert reply.status_code == 400
    assert not any(call.method == "DELETE" for call in console.gateway.calls)


def test_a_token_of_before_the_login_is_no_use_after_it(console: Console) -> None:
    """A form token from before the login is refused after the login."""
    grant(console.gateway)
    browser = console.visitor()
    before = browser.token()
    browser.post("/console/login", LOGIN)
    assert browser.client.post(DELETE, data={**FORM, "csrf_token": before}).status_code == 400


def test_a_form_is_good_for_as_long_as_the_session(console: Console) -> None:
    """A form token has no separate time limit, so a page that was open overnight can be sent."""
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
    """A request from another site gets 403 even with a valid token, and even before the login."""
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
    """A request from the console's own pages is accepted, even with `Origin: null`."""
    browser = console.person()
    assert browser.post(DELETE, FORM, headers=headers).status_code == 303


def test_a_get_changes_nothing(console: Console) -> None:
    """A GET request cannot delete, log in or log out."""
    browser = console.person()
    assert browser.get(DELETE).status_code == 405
    assert browser.get("/console/logout").status_code == 405
    assert browser.get("/console/").status_code == 200


def form_token(browser: Browser) -> str:
    """Return the form token of the logged-in person."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/console/").text)
    assert found
    return found[1]
