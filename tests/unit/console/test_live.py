"""Tokens for the live channel, which the scripts of a page request."""

from __future__ import annotations

from tests.servers.console import Browser, Console
from tests.servers.console_tickets import EXCHANGE, refuse_tickets
from tests.servers.fake_gateway import Call, Reply, problem
from tests.unit.console.test_request_checks import form_token

PATH = "/console/live-token"
TOKEN = "token.of.live"


def give(console: Console) -> list[Call]:
    """Make auth issue live tokens, and return a list to which each call is appended."""
    asked: list[Call] = []

    def exchange(call: Call) -> Reply:
        asked.append(call)
        return Reply({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 900})

    console.gateway.on("POST", "/auth/oauth/token", exchange)
    return asked


def headers(browser: Browser) -> dict[str, str]:
    """Return the header fields that the script of a page sends."""
    return {"Accept": "application/json", "X-CSRFToken": form_token(browser)}


def test_a_page_gets_a_token_that_only_listens(console: Console) -> None:
    """A script gets a live token for the person's token, and the person's token is on no page."""
    browser = console.person("viewer")
    asked = give(console)
    reply = browser.client.post(PATH, headers=headers(browser))
    assert (reply.status_code, reply.get_json()) == (200, {"token": TOKEN, "expires_in": 900})
    assert reply.headers["Cache-Control"] == "no-store"
    [call] = asked
    assert "authorization" not in call.fields
    assert call.form == {
        "grant_type": [EXCHANGE],
        "audience": ["live"],
        "subject_token": ["access-1"],
        "subject_token_type": ["urn:ietf:params:oauth:token-type:access_token"],
    }


def test_another_site_gets_none(console: Console) -> None:
    """A request without this session's form token, or from another site, gets no live token."""
    browser, other = console.person(), console.person()
    asked = give(console)
    own = headers(browser)
    for sent, status in (
        ({"Accept": "application/json"}, 400),
        (headers(other), 400),
        ({**own, "Sec-Fetch-Site": "cross-site"}, 403),
    ):
        assert browser.client.post(PATH, headers=sent).status_code == status
    assert browser.client.get(PATH, headers=own).status_code == 405
    assert asked == []


def test_a_page_learns_that_its_session_is_over(console: Console) -> None:
    """A script gets 401 for a live token when auth or the console has ended the session."""
    browser = console.person()
    sent = headers(browser)
    refuse_tickets(console.gateway, "The subject_token is not acceptable: it was revoked.")
    assert browser.client.post(PATH, headers=sent).status_code == 401
    assert console.visitor().client.post(PATH, headers=sent).status_code == 401


def test_a_page_learns_that_there_is_none_now(console: Console) -> None:
    """A script gets 503 for a live token while auth is unavailable, and the session continues."""
    browser = console.person()
    sent = headers(browser)
    console.gateway.on("POST", "/auth/oauth/token", problem(503, "unavailable", retry_after=2))
    assert browser.client.post(PATH, headers=sent).status_code == 503
