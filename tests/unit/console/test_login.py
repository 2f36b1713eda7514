"""Login and logout of the console."""

from __future__ import annotations

import pytest

from tests.servers.console import Console
from tests.servers.console_documents import LOGIN, grant
from tests.servers.fake_gateway import Reply, problem
from wharf_console.sessions.records import RecordBusy


def test_a_login_leads_to_the_page_that_was_asked_for(console: Console) -> None:
    """A visitor is sent to the login page, and to the requested page after the login."""
    grant(console.gateway)
    browser = console.visitor()
    asked = browser.get("/console/?a=1")
    assert asked.status_code == 303
    assert asked.location == "/console/login?next=/console/?a%3D1"
    page = browser.get(asked.location)
    assert page.status_code == 200
    done = browser.post("/console/login", {**LOGIN, "next": "/console/?a=1"})
    assert (done.status_code, done.location) == (303, "/console/?a=1")
    assert browser.get("/console/").status_code == 200


def test_tokens_are_asked_for_in_the_body(console: Console) -> None:
    """The console sends the person's input to auth, and asks for the refresh token in the body."""
    console.person()
    [call] = console.gateway.called("POST", "/auth/login")
    assert call.json == {**LOGIN, "refresh_token": "body"}


def test_no_token_is_on_a_page_or_in_a_cookie(console: Console) -> None:
    """Neither token is on a page, in a header field or in a cookie."""
    browser = console.person()
    reply = browser.get("/console/")
    said = reply.text + str(reply.headers) + browser.cookie()
    assert "access-" not in said
    assert "refresh-" not in said


def test_a_login_has_a_new_session_id(console: Console) -> None:
    """A login changes the session id, so an id that an attacker set before is useless."""
    grant(console.gateway)
    browser = console.visitor()
    browser.get("/console/login")
    before = browser.cookie()
    browser.post("/console/login", LOGIN)
    after = browser.cookie()
    assert before
    assert before != after
    other = console.visitor()
    other.client.set_cookie("wharf_console", before)
    assert other.get("/console/").status_code == 303


@pytest.mark.parametrize(
    ("reply", "status", "words"),
    [
        (problem(401, "login-refused", "x"), 401, "Tenant, name or password is wrong."),
        (problem(403, "tenant-suspended", "x"), 403, "The tenant is suspended."),
        (problem(429, "quota-exceeded", "x", retry_after=7), 429, "Try again in 7 seconds."),
        (problem(422, "unprocessable", "The detail."), 422, "The detail."),
    ],
)
def test_a_refused_login_says_why(console: Console, reply: Reply, status: int, words: str) -> None:
    """A refused login says why, and the form keeps the names without the password."""
    console.gateway.on("POST", "/auth/login", reply)
    page = console.visitor().post("/console/login", LOGIN)
    assert page.status_code == status
    assert words in page.text
    assert 'value="ann"' in page.text
    assert LOGIN["password"] not in page.text


def test_a_logout_ends_the_session_here_and_at_auth(console: Console) -> None:
    """A logout revokes the refresh token at auth, and the old cookie belongs to no session."""
    browser = console.person()
    cookie = browser.cookie()
    reply = browser.post("/console/logout")
    assert (reply.status_code, reply.location) == (303, "/console/login")
    [call] = console.gateway.called("POST", "/auth/logout")
    assert call.json == {"refresh_token": "refresh-1"}
    other = console.visitor()
    other.client.set_cookie("wharf_console", cookie)
    assert other.get("/console/").status_code == 303
    assert browser.get("/console/").status_code == 303


def test_a_logout_works_while_auth_is_down(console: Console) -> None:
    """A logout ends the console's session while auth is unavailable."""
    browser = console.person()
    console.gateway.close()
    assert browser.post("/console/logout").status_code == 303
    assert browser.get("/console/").status_code == 303


def test_a_logout_does_not_wait_for_ever(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """A logout succeeds while another request has the session's lock."""
    browser = console.person()

    def busy(_: str) -> None:
        raise RecordBusy

    token = browser.token()
    monkeypatch.setattr(console.context.stores.records, "locked", busy)
    reply = browser.client.post("/console/logout", data={"csrf_token": token})
    assert reply.status_code == 303
    assert len(console.gateway.called("POST", "/auth/logout")) == 1
    assert browser.get("/console/").status_code == 303
