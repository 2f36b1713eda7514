"""The tokens of a session: one request at a time renews them, and no token is lost."""

from __future__ import annotations

import threading
import time

from tests.servers.console import Console
from tests.servers.console_documents import grant
from tests.servers.fake_gateway import Call, FakeGateway, Reply, problem
from wharf_console.api.connection import Caller, Connection


def bearer(call: Call) -> str:
    """Return the access token that a call of the API has."""
    return call.fields["authorization"].removeprefix("Bearer ")


def test_a_token_is_used_until_shortly_before_it_expires(console: Console) -> None:
    """A token is used until shortly before it expires, and then renewed before the call."""
    browser = console.person()
    browser.get("/console/")
    assert console.gateway.called("POST", "/auth/oauth/token") == []
    console.clock.now += 875
    browser.get("/console/")
    [call] = console.gateway.called("POST", "/auth/oauth/token")
    assert call.form == {"grant_type": ["refresh_token"], "refresh_token": ["refresh-1"]}
    assert bearer(console.gateway.called("GET", "/v1/buckets")[-1]) == "access-2"


def test_two_tabs_at_token_expiry_both_go_on(console: Console) -> None:
    """If concurrent requests have an expiring token, one request refreshes it for all of them."""
    browser = console.person()
    used = serve_once_only(console.gateway)
    console.clock.now += 1000
    cookie, statuses = browser.cookie(), []

    def open_page() -> None:
        tab = console.visitor()
        tab.client.set_cookie("wharf_console", cookie)
        statuses.append(tab.get("/console/").status_code)

    tabs = [threading.Thread(target=open_page) for _ in range(6)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert statuses == [200] * 6
    assert used == ["refresh-1"]


def serve_once_only(gateway: FakeGateway) -> list[str]:
    """Make the gateway accept each refresh token once, slowly, as auth does."""
    used: list[str] = []

    def refresh(call: Call) -> Reply:
        [token] = call.form["refresh_token"]
        if token in used:
            return Reply({"error": "invalid_grant", "error_description": "used"}, 400)
        used.append(token)
        time.sleep(0.1)
        number = len(used) + 1
        return Reply(
            {
                "access_token": f"access-{number}",
                "refresh_token": f"refresh-{number}",
                "token_type": "Bearer",
                "expires_in": 900,
                "scope": "files:read",
            }
        )

    gateway.on("POST", "/auth/oauth/token", refresh)
    return used


def test_a_refused_token_is_renewed_once(console: Console) -> None:
    """A token that the API calls expired is renewed once, because clocks may differ."""
    browser = console.person()

    def buckets(call: Call) -> Reply:
        if bearer(call) == "access-1":
            return problem(401, "token-expired")
        return Reply({"buckets": []})

    console.gateway.on("GET", "/v1/buckets", buckets)
    assert browser.get("/console/").status_code == 200
    assert len(console.gateway.called("POST", "/auth/oauth/token")) == 1


def test_a_token_that_is_always_refused_ends_the_session(console: Console) -> None:
    """A token that the API refuses again after the renewal ends the session."""
    browser = console.person()
    console.gateway.on("GET", "/v1/buckets", problem(401, "token-expired"))
    reply = browser.get("/console/")
    assert (reply.status_code, reply.location) == (303, "/console/login?next=/console/")


def test_a_session_that_ended_elsewhere_leads_to_the_login(console: Console) -> None:
    """If a session has ended elsewhere, the person must log in and then returns to the page."""
    browser = console.person()
    console.gateway.on("GET", "/v1/buckets", problem(401, "token-revoked"))
    reply = browser.get("/console/?a=1")
    assert (reply.status_code, reply.location) == (303, "/console/login?next=/console/?a%3D1")
    assert "Your session has ended" in browser.get(reply.location).text


def test_a_refresh_token_that_is_no_good_ends_the_session(console: Console) -> None:
    """A refused refresh token ends the session, and is not sent again."""
    browser = console.person()
    refusal = {"error": "invalid_grant", "error_description": "no good any more"}
    console.gateway.on("POST", "/auth/oauth/token", Reply(refusal, 400))
    console.clock.now += 1000
    assert browser.get("/console/").status_code == 303
    assert browser.get("/console/").status_code == 303
    assert len(console.gateway.called("POST", "/auth/oauth/token")) == 1


def test_an_outage_of_auth_ends_no_session(console: Console) -> None:
    """If auth refuses a refresh with 503, the session stays, and the refresh can be repeated."""
    browser = console.person()
    console.clock.now += 1000
    console.gateway.on("POST", "/auth/oauth/token", problem(503, "unavailable", retry_after=1))
    assert browser.get("/console/").status_code == 503
    grant(console.gateway)
    assert browser.get("/console/").status_code == 200


def test_a_suspended_tenant_is_told_so_and_goes_on_after_the_resume(console: Console) -> None:
    """A person of a suspended tenant gets a page that says so, and the session stays."""
    browser = console.person()
    console.gateway.on("GET", "/v1/buckets", problem(403, "tenant-suspended"))
    page = browser.get("/console/")
    assert page.status_code == 403
    assert "The tenant is suspended" in page.text
    refusal = {"error": "unauthorized_client", "error_description": "suspended"}
    console.gateway.on("POST", "/auth/oauth/token", Reply(refusal, 400))
    console.clock.now += 1000
    page = browser.get("/console/")
    assert page.status_code == 403
    assert "The tenant is suspended" in page.text
    grant(console.gateway)
    console.gateway.on("GET", "/v1/buckets", Reply({"buckets": []}))
    assert browser.get("/console/").status_code == 200


def test_a_logout_in_another_tab_is_not_undone(console: Console) -> None:
    """A page that was requested before a logout in another tab does not restore the session."""
    browser = console.person()
    other = console.visitor()
    other.client.set_cookie("wharf_console", browser.cookie())
    token = browser.token()

    def buckets(_: Call) -> Reply:
        other.client.post("/console/logout", data={"csrf_token": token})
        return Reply({"buckets": []})

    console.gateway.on("GET", "/v1/buckets", buckets)
    browser.get("/console/")
    console.gateway.on("GET", "/v1/buckets", Reply({"buckets": []}))
    assert browser.get("/console/").status_code == 303


def test_short_lives_are_used_for_two_thirds(console: Console) -> None:
    """A token that lives 30 seconds is used for two thirds of its life before it is renewed."""
    browser = console.visitor()
    grant(console.gateway)
    short = {
        "access_token": "access-1",
        "refresh_token": "refresh-1",
        "token_type": "Bearer",
        "expires_in": 30,
        "scope": "files:read",
    }
    console.gateway.on("POST", "/auth/login", Reply(short))
    browser.post("/console/login", {"tenant": "a", "username": "b", "password": "c"})
    console.clock.now += 19
    browser.get("/console/")
    assert console.gateway.called("POST", "/auth/oauth/token") == []
    console.clock.now += 2
    browser.get("/console/")
    assert len(console.gateway.called("POST", "/auth/oauth/token")) == 1


def test_a_connection_belongs_to_one_browser(gateway: FakeGateway) -> None:
    """Each connection begins with a PROXY line that names its browser."""
    for address in ("192.0.2.7", "2001:db8::1"):
        made = Connection(gateway.path, Caller(address=address, port=4711))
        made.request("GET", "/v1/usage")
        made.request("GET", "/v1/usage")
        made.close()
    lines = [call.proxy_line for call in gateway.calls]
    assert lines[0] == lines[1] == "PROXY TCP4 192.0.2.7 127.0.0.1 4711 80"
    assert lines[2] == lines[3] == "PROXY TCP6 2001:db8::1 ::1 4711 80"
