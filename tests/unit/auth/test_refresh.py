"""The grant `refresh_token` continues a session; the second use of a token ends it (row 61)."""

from __future__ import annotations

import threading
from dataclasses import replace

import jwt
import pytest

from tests.servers.auth import TOKEN, AuthService, refused
from tests.servers.people import COOKIE, Person, logged_in, person
from wharf_auth.accounts.sessions import hash_of
from wharf_auth.app import create_app

GONE = "log in again"


def session_of(one: Person) -> str:
    return str(jwt.decode(one.token, options={"verify_signature": False})["sid"])


def revoked_sessions(auth: AuthService) -> list[str]:
    entries = auth.records.feed(after=0, limit=1000).entries
    return [one.id for one in entries if (one.kind, one.state) == ("session", "revoked")]


def test_token_is_changed_for_another(auth: AuthService) -> None:
    """A refresh returns a new access token of the same session and a new refresh token."""
    ada = person(auth)
    first = ada.refresh_token()
    session = session_of(ada)
    reply = ada.refresh(first)
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "no-store"
    body = reply.get_json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert body["refresh_token"] != first
    assert "Set-Cookie" not in reply.headers
    assert session_of(ada) == session
    assert ada.refresh(body["refresh_token"]).status_code == 200


def test_cookie_is_changed_for_another(auth: AuthService) -> None:
    """A page of this origin refreshes with the cookie alone and never sees the refresh token."""
    ada = logged_in(auth)
    first = ada.cookie
    reply = ada.refresh()
    assert reply.status_code == 200
    assert "refresh_token" not in reply.get_json()
    assert ada.cookie not in {None, first}
    assert "HttpOnly" in reply.headers["Set-Cookie"]
    assert ada.refresh().status_code == 200


def test_second_use_revokes_the_family(auth: AuthService) -> None:
    """The second use of a refresh token ends its session's tokens and adds an entry to the feed."""
    ada = person(auth)
    first = ada.refresh_token()
    second = ada.refresh(first).get_json()["refresh_token"]
    third = ada.refresh(second).get_json()["refresh_token"]
    assert ada.call("GET", "/me").status_code == 200
    assert revoked_sessions(auth) == []
    thief = person(auth, "eve").refresh(first)
    assert GONE in refused(thief, 400, "invalid_grant")
    assert revoked_sessions(auth) == [session_of(ada)]
    for token in (third, second, first):
        refused(ada.refresh(token), 400, "invalid_grant")
    reply = ada.call("GET", "/me")
    assert reply.status_code == 401
    assert reply.get_json()["type"] == "/problems/token-revoked"
    assert len(revoked_sessions(auth)) == 1


def test_other_sessions_go_on(auth: AuthService) -> None:
    """The second use of a refresh token ends its own session and no other."""
    ada = person(auth)
    first, other = ada.refresh_token(), ada.refresh_token()
    ada.refresh(first)
    ada.refresh(first)
    assert ada.refresh(other).status_code == 200


def test_of_many_at_once_one_gets_through(auth: AuthService) -> None:
    """One of several concurrent requests with a refresh token succeeds; then the session ends."""
    ada = person(auth)
    token = ada.refresh_token()
    barrier = threading.Barrier(4)
    statuses: list[int] = []

    def refresh() -> None:
        browser = auth.app.test_client()
        barrier.wait()
        form = {"grant_type": "refresh_token", "refresh_token": token}
        statuses.append(browser.post(TOKEN, data=form).status_code)
        auth.records._database.close()

    threads = [threading.Thread(target=refresh) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 400, 400, 400]
    assert len(revoked_sessions(auth)) == 1


def test_only_the_digest_is_kept(auth: AuthService) -> None:
    """The database contains a refresh token's hash only."""
    ada = person(auth)
    token = ada.refresh_token()
    auth.records._database.close()
    for path in (auth.settings.data / "auth").glob("auth.db*"):
        assert token.encode() not in path.read_bytes()
    rows = auth.records._database.reading().rows("SELECT hash FROM refresh_tokens")
    assert rows == [(hash_of(token),)]


# Scopes


def test_scope_narrows_and_the_next_token_has_all_again(auth: AuthService) -> None:
    """A refresh with fewer scopes narrows one access token only, not the session."""
    ada = person(auth)
    body = ada.refresh(ada.refresh_token(), scope="files:read").get_json()
    assert body["scope"] == "files:read"
    assert ada.refresh(body["refresh_token"]).get_json()["scope"].split()[-1] == "files:delete"


@pytest.mark.parametrize(
    "scope", ["tenants:admin", "members:admin", "files:read buckets:admin", "x"]
)
def test_scope_never_widens(auth: AuthService, scope: str) -> None:
    """A refresh with a scope beyond the role is refused and leaves the refresh token valid."""
    ada = person(auth)
    token = ada.refresh_token()
    refused(ada.refresh(token, scope=scope), 400, "invalid_scope")
    assert ada.refresh(token).status_code == 200


# The end of sessions


@pytest.fixture
def short(auth: AuthService) -> AuthService:
    """Return a service whose sessions end after 1,000 s, or after 400 s without use."""
    settings = replace(auth.settings, session_lifetime_seconds=1000, session_idle_seconds=400)
    return replace(auth, app=create_app(settings, records=auth.records, clock=auth.clock))


def test_unused_sessions_end(short: AuthService) -> None:
    """A refresh token is valid until its session has been idle for too long."""
    ada = person(short)
    token = ada.refresh_token()
    short.clock.now += 399
    token = ada.refresh(token).get_json()["refresh_token"]
    short.clock.now += 401
    refused(ada.refresh(token), 400, "invalid_grant")


def test_used_sessions_end_too(short: AuthService) -> None:
    """A session ends after its whole lifetime, however often it is used."""
    ada = person(short)
    token = ada.refresh_token()
    # No access token lives longer than its session.
    for seconds in (700, 400, 100):
        short.clock.now += 300
        body = ada.refresh(token).get_json()
        token = body["refresh_token"]
        assert body["expires_in"] == seconds
    short.clock.now += 101
    refused(ada.refresh(token), 400, "invalid_grant")


def test_cookie_lasts_as_long_as_it_can_be_used(short: AuthService) -> None:
    """The cookie's Max-Age is the idle time, or the rest of the session when that is shorter."""
    ada = person(short)
    assert "Max-Age=400" in ada.login().headers["Set-Cookie"]
    for expected in (400, 400, 100):
        short.clock.now += 300
        assert f"Max-Age={expected}" in ada.refresh().headers["Set-Cookie"]


def test_dead_cookie_is_taken_back(auth: AuthService) -> None:
    """A refused refresh removes the browser's cookie."""
    ada = logged_in(auth)
    kept = ada.cookie
    ada.refresh()
    assert kept is not None
    ada.browser.set_cookie(COOKIE, kept, secure=True)
    reply = ada.refresh()
    refused(reply, 400, "invalid_grant")
    assert "Max-Age=0" in reply.headers["Set-Cookie"]


def test_suspended_tenant_keeps_its_sessions(auth: AuthService) -> None:
    """A refresh fails while the tenant is suspended, and succeeds after the tenant is resumed."""
    ada = person(auth)
    token = ada.refresh_token()
    auth.admin("POST", "/tenants/demo/suspend")
    refused(ada.refresh(token), 400, "unauthorized_client")
    auth.admin("POST", "/tenants/demo/resume")
    assert ada.refresh(token).status_code == 200


# Requests that are no refresh


@pytest.mark.parametrize("token", ["x", "", "\0", "🦊" * 2000, "a" * 60_000])
def test_odd_tokens_are_refused(auth: AuthService, token: str) -> None:
    """A string that was never a refresh token gets an OAuth error with 400."""
    reply = person(auth).refresh(token)
    assert reply.status_code == 400
    assert reply.get_json()["error"] in {"invalid_grant", "invalid_request"}


def test_access_token_is_no_refresh_token(auth: AuthService) -> None:
    """An access token is no valid refresh token, and a refresh token no access token (row 56)."""
    ada = person(auth)
    token = ada.refresh_token()
    refused(ada.refresh(ada.token), 400, "invalid_grant")
    ada.token = token
    reply = ada.call("GET", "/me")
    assert reply.status_code == 401
    assert reply.get_json()["type"] == "/problems/token-malformed"


def test_one_credential_at_a_time(auth: AuthService) -> None:
    """A refresh with two credentials is refused: cookie, parameter, or a client's secret."""
    ada = logged_in(auth)
    token = person(auth, "eve").refresh_token()
    refused(ada.refresh(token), 400, "invalid_request")
    form = {"grant_type": "refresh_token", "refresh_token": token}
    browser = auth.app.test_client()
    refused(browser.post(TOKEN, data=form, auth=("wharf-demo", "x")), 400, "invalid_request")
    refused(browser.post(TOKEN, data={**form, "client_secret": "x"}), 400, "invalid_request")
    # The id of a public client is harmless, and libraries send it.
    assert browser.post(TOKEN, data={**form, "client_id": "console"}).status_code == 200


def test_nothing_to_refresh(auth: AuthService) -> None:
    """A refresh without parameter and cookie is refused because the parameter is missing."""
    refused(person(auth).refresh(), 400, "invalid_request")


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_other_sites_do_not_refresh_by_cookie(auth: AuthService, headers: dict[str, str]) -> None:
    """A refresh by cookie from another site gets 403, and the token stays valid (row 65)."""
    ada = logged_in(auth)
    before = ada.cookie
    form = {"grant_type": "refresh_token"}
    reply = ada.browser.post(TOKEN, data=form, headers=headers)
    assert reply.status_code == 403
    assert reply.get_json()["type"] == "/problems/cross-site-request"
    assert "Set-Cookie" not in reply.headers
    assert ada.cookie == before
    assert ada.refresh().status_code == 200


def test_token_in_the_body_is_no_matter_of_origins(auth: AuthService) -> None:
    """A refresh with the token in the body is accepted from any origin."""
    ada = person(auth)
    form = {"grant_type": "refresh_token", "refresh_token": ada.refresh_token()}
    reply = ada.browser.post(TOKEN, data=form, headers={"Origin": "https://app.example"})
    assert reply.status_code == 200
