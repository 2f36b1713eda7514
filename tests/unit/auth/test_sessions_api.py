"""`/auth/me` and `/auth/sessions`: what users can read and change of their own account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.servers.auth import AuthService
from tests.servers.people import PASSWORD, logged_in, person
from wharf_auth.app import create_app
from wharf_auth.domain.users import ROLES

NEW = "another good one"


def test_me(auth: AuthService) -> None:
    """`/auth/me` returns the user, its role, scopes and session, and may not be cached."""
    ada = logged_in(auth, role="owner")
    reply = ada.call("GET", "/me")
    assert reply.headers["Cache-Control"] == "no-store"
    me = reply.get_json()
    assert (me["user_id"], me["tenant"], me["username"]) == (ada.id, "demo", "ada")
    assert me["tenant_display_name"] == "Demo"
    assert (me["role"], me["scopes"]) == ("owner", sorted(ROLES["owner"]))
    assert me["session"]["current"] is True
    ada.refresh(scope="files:read")
    assert ada.call("GET", "/me").get_json()["scopes"] == ["files:read"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/me"), ("GET", "/sessions"), ("DELETE", "/sessions/x"), ("PUT", "/me/password")],
)
def test_only_people_have_sessions(auth: AuthService, method: str, path: str) -> None:
    """The session routes refuse a request without a token with 401, and the request of a client
    with 403.
    """
    client = auth.app.test_client()
    assert client.open(f"/auth{path}", method=method).status_code == 401
    token = auth.post_token(client="admin").get_json()["access_token"]
    body = {"current_password": "x", "new_password": "y"}
    reply = client.open(
        f"/auth{path}", method=method, headers={"Authorization": f"Bearer {token}"}, json=body
    )
    assert reply.status_code == 403
    assert reply.get_json()["type"] == "/problems/forbidden"


def test_sessions_are_listed(auth: AuthService) -> None:
    """`/auth/sessions` lists sessions with address and program, and marks the current session."""
    ada = person(auth)
    person(auth, "eve").login()
    body = {"tenant": "demo", "username": "ada", "password": PASSWORD}
    auth.app.test_client().post(
        "/auth/login",
        json=body,
        headers={"User-Agent": "Phone/1.0 \u00e9" + "x" * 300},
        environ_overrides={"REMOTE_ADDR": "192.0.2.7"},
    )
    auth.clock.now += 1
    ada.login()
    reply = ada.call("GET", "/sessions")
    assert reply.headers["Cache-Control"] == "no-store"
    phone, own = reply.get_json()["sessions"]
    assert (phone["address"], phone["current"], own["current"]) == ("192.0.2.7", False, True)
    assert phone["user_agent"].startswith("Phone/1.0 ")
    assert len(phone["user_agent"]) == 200
    assert phone["created_at"] == phone["used_at"] < own["created_at"] < own["expires_at"]


def test_list_goes_page_by_page(auth: AuthService) -> None:
    """The pages of `/auth/sessions` contain each session once."""
    ada = person(auth)
    for _ in range(3):
        ada.refresh_token()
    found: list[str] = []
    page: dict[str, Any] = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        page = ada.call("GET", f"/sessions?limit=2&cursor={page['next_cursor']}").get_json()
        found += [one["session_id"] for one in page["sessions"]]
    assert len(set(found)) == 3


def test_idle_and_ended_sessions_are_not_listed(auth: AuthService) -> None:
    """`/auth/sessions` omits sessions that were idle for too long or have ended."""
    settings = replace(auth.settings, session_idle_seconds=400)
    short = replace(auth, app=create_app(settings, records=auth.records, clock=auth.clock))
    ada = person(short)
    ada.refresh_token()
    short.clock.now += 401
    token = ada.refresh_token()
    ada.browser.post("/auth/logout", json={"refresh_token": token})
    ada.login()
    (one,) = ada.call("GET", "/sessions").get_json()["sessions"]
    assert one["current"]


def test_session_is_ended(auth: AuthService) -> None:
    """A deleted session's tokens are refused immediately, and other sessions continue."""
    ada = person(auth)
    token = ada.refresh_token()
    phone = replace(ada)
    (one,) = phone.call("GET", "/sessions").get_json()["sessions"]
    ada.login()
    assert ada.call("DELETE", f"/sessions/{one['session_id']}").status_code == 204
    assert phone.call("GET", "/me").status_code == 401
    assert person(auth, "new").refresh(token).status_code == 400
    assert ada.call("GET", "/me").status_code == 200
    assert ada.call("DELETE", f"/sessions/{one['session_id']}").status_code == 404


def test_nobody_ends_another_ones_session(auth: AuthService) -> None:
    """Another user's session gets 404 as an absent session does, even for an owner (row 67)."""
    ada, boss = logged_in(auth), logged_in(auth, "boss", "owner")
    (one,) = ada.call("GET", "/sessions").get_json()["sessions"]
    replies = [boss.call("DELETE", f"/sessions/{name}") for name in (one["session_id"], "0" * 32)]
    assert [reply.status_code for reply in replies] == [404, 404]
    assert replies[0].get_json()["detail"] == replies[1].get_json()["detail"]
    assert ada.call("GET", "/me").status_code == 200


# A change of the user's own password


def test_password_is_changed(auth: AuthService) -> None:
    """A new password replaces the old one, and ends all sessions except the one that set it."""
    ada = logged_in(auth)
    phone = replace(ada, browser=auth.app.test_client())
    phone.login()
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert ada.call("PUT", "/me/password", json=body).status_code == 204
    assert ada.call("GET", "/me").status_code == 200
    assert ada.refresh().status_code == 200
    assert phone.call("GET", "/me").status_code == 401
    assert phone.refresh().status_code == 400
    assert ada.login().status_code == 401
    assert ada.login(NEW).status_code == 200
    assert auth.records.audit(after=0, limit=1000)[-1].act.act == "users.set-password"


def test_wrong_password_changes_nothing_and_counts(auth: AuthService) -> None:
    """Wrong current passwords count as failed logins, so a stolen token cannot be used to guess."""
    settings = replace(auth.settings, login_free_failures=3)
    limited = replace(auth, app=create_app(settings, records=auth.records, clock=auth.clock))
    ada = logged_in(limited)
    body = {"current_password": "wrong", "new_password": NEW}
    statuses = [ada.call("PUT", "/me/password", json=body).status_code for _ in range(4)]
    assert statuses == [403, 403, 403, 429]
    assert ada.login().status_code == 429
    auth.clock.now += 60
    assert person(limited, "eve").login().status_code == 200


@pytest.mark.parametrize("password", ["short", "password1", "ada12345", "x" * 257])
def test_new_password_follows_the_rules(auth: AuthService, password: str) -> None:
    """A new password that breaks the rules gets 422, and the old one stays valid."""
    ada = logged_in(auth)
    body = {"current_password": PASSWORD, "new_password": password}
    assert ada.call("PUT", "/me/password", json=body).status_code == 422
    assert ada.login().status_code == 200
