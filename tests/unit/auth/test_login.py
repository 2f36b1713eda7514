"""`POST /auth/login` and `/auth/logout`: a person's login and logout."""

from __future__ import annotations

from dataclasses import replace

import jwt
import pytest
from werkzeug.test import TestResponse

from servicekit.tokens import Verifier
from tests.servers.auth import ISSUER, AuthService
from tests.servers.people import COOKIE, PASSWORD, logged_in, person
from wharf_auth.accounts.secret_lane import Asker
from wharf_auth.accounts.secrets import Hasher
from wharf_auth.domain.users import ROLES
from wharf_auth.signing import KeyRing


def claims(reply: TestResponse) -> dict[str, object]:
    found: dict[str, object] = jwt.decode(
        reply.get_json()["access_token"], options={"verify_signature": False}
    )
    return found


def test_password_gives_a_token(auth: AuthService) -> None:
    """A login returns what the token endpoint returns, without the refresh token."""
    reply = person(auth).login()
    assert reply.status_code == 200
    body = reply.get_json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert body["scope"] == "files:read files:write files:delete"


@pytest.mark.parametrize("role", list(ROLES))
def test_scopes_are_those_of_the_role(auth: AuthService, role: str) -> None:
    """A person's token names user, session and tenant, has the scopes of the person's role, and is
    for upload and auth.
    """
    ada = person(auth, role=role)
    found = claims(ada.login())
    assert (found["sub"], found["tid"]) == (ada.id, "demo")
    assert found["scope"] == " ".join(ROLES[role])
    assert found["aud"] == ["upload", "auth"]
    assert len(str(found["sid"])) == 32
    keys = KeyRing(auth.settings.keys_directory)
    verifier = Verifier(keys, issuer=ISSUER, audience="upload", clock=auth.clock)
    assert verifier.verify(ada.token).session == found["sid"]


def test_role_of_a_newer_release(auth: AuthService) -> None:
    """A person with a role of a newer release gets a token without scopes."""
    ada = person(auth)
    with auth.records._database.transaction() as connection:
        connection.execute("UPDATE users SET role = 'next'")
    found = claims(ada.login())
    assert (found["sub"], found["scope"]) == (ada.id, "")
    assert ada.refresh().get_json()["scope"] == ""
    assert ada.refresh(scope="files:read").get_json()["error"] == "invalid_scope"


def test_role_that_is_taken_away_meanwhile(
    auth: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An owner who becomes a viewer during the login gets a viewer's token."""
    ada = person(auth, role="owner")
    real = Hasher.matches

    def slowly(hasher: Hasher, secret: str, kept: str | None, asker: Asker) -> bool:
        ada.change(role="viewer")
        return real(hasher, secret, kept, asker)

    monkeypatch.setattr(Hasher, "matches", slowly)
    assert claims(ada.login())["scope"] == "files:read"


def test_no_role_administers_tenants(auth: AuthService) -> None:
    """No role has the scope `tenants:admin`, so an owner cannot manage tenants."""
    assert all("tenants:admin" not in scopes for scopes in ROLES.values())
    owner = logged_in(auth, role="owner")
    assert owner.call("GET", "/v1/tenants").status_code == 403
    assert owner.call("POST", "/v1/tenants/demo/suspend").status_code == 403


def test_cookie_is_out_of_reach(auth: AuthService) -> None:
    """The login's cookie is Secure, HttpOnly, SameSite=Strict, and has an expiry (row 65).

    Its name begins with `__Host-`, its path is `/`, and it has no domain.
    """
    header = person(auth).login().headers["Set-Cookie"]
    name, *attributes = header.split("; ")
    assert name.startswith(f"{COOKIE}=")
    assert len(name) > len(COOKIE) + 40
    assert {one.lower() for one in attributes if not one.startswith(("Expires", "Max-Age"))} == {
        "secure",
        "httponly",
        "samesite=strict",
        "path=/",
    }
    assert "Max-Age=604800" in attributes


def test_programs_get_the_refresh_token_in_the_body(auth: AuthService) -> None:
    """A program that requests the refresh token gets it in the body, and gets no cookie."""
    reply = person(auth).login(refresh_token="body")
    assert len(reply.get_json()["refresh_token"]) == 43
    assert "Set-Cookie" not in reply.headers


@pytest.mark.parametrize("given", ["Ada", "ADA", "\uff41da"])
def test_names_are_compared_without_case(auth: AuthService, given: str) -> None:
    """A login accepts the user name in any case and width."""
    ada = person(auth, "ada")
    ada.username = given
    assert ada.login().status_code == 200


def test_passwords_are_compared_exactly_but_for_their_spelling(auth: AuthService) -> None:
    """A password matches in composed or decomposed Unicode, but not with another case or spaces."""
    ada = person(auth)
    path = f"/tenants/demo/users/{ada.id}/password"
    auth.admin("PUT", path, json={"password": "Zu\u0308rich Café"})
    assert ada.login("Z\u00fcrich Cafe\u0301").status_code == 200
    for other in ("z\u00fcrich caf\u00e9", "Z\u00fcrich Caf\u00e9 ", "Zurich Cafe"):
        assert ada.login(other).status_code == 401


# Equal refusals


def test_all_refusals_are_alike(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong password, unknown user or tenant, and disabled user get equal responses."""
    ada, eve = person(auth), person(auth, "eve")
    eve.change(state="disabled")
    verified = []
    real = Hasher.matches

    def counted(hasher: Hasher, secret: str, kept: str | None, asker: Asker) -> bool:
        verified.append(kept is not None)
        return real(hasher, secret, kept, asker)

    monkeypatch.setattr(Hasher, "matches", counted)
    nobody, elsewhere = replace(ada, username="nobody"), replace(ada, tenant="nowhere")
    odd = replace(ada, username="a\0b")
    replies = [ada.login("wrong password"), nobody.login(), elsewhere.login(), eve.login()]
    replies += [odd.login(), replace(ada, tenant="\0").login(), replace(ada, username="").login()]
    replies.append(ada.login("x" * 1000))
    assert {reply.status_code for reply in replies} == {401}
    documents = [{**reply.get_json(), "request_id": ""} for reply in replies]
    assert all(one == documents[0] for one in documents)
    assert documents[0]["type"] == "/problems/login-refused"
    headers = [{**reply.headers, "X-Request-Id": ""} for reply in replies]
    assert all(one == headers[0] for one in headers)
    assert "Set-Cookie" not in headers[0]
    assert len(verified) == len(replies)
    assert verified.count(True) == 3


@pytest.mark.parametrize("state", ["suspend", "delete"])
def test_suspension_is_told_to_who_knows_the_password(auth: AuthService, state: str) -> None:
    """A person with the right password learns of the suspension; a wrong password gets 401."""
    ada = person(auth)
    if state == "delete":
        assert auth.admin("DELETE", "/tenants/demo").status_code in {200, 202, 204}
    else:
        assert auth.admin("POST", "/tenants/demo/suspend").status_code == 204
    assert ada.login("wrong password").status_code == 401
    reply = ada.login()
    assert reply.status_code == 403
    assert reply.get_json()["type"] == "/problems/tenant-suspended"
    assert ada.cookie is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tenant": "demo", "username": "ada"},
        {"tenant": "demo", "username": "ada", "password": 1},
        {"tenant": "demo", "username": "ada", "password": "x", "scope": "tenants:admin"},
        {"tenant": "demo", "username": "ada", "password": "x", "refresh_token": "header"},
        {"tenant": "demo", "username": "ada", "password": "x" * 1025},
    ],
)
def test_odd_bodies_are_refused(auth: AuthService, body: object) -> None:
    """A login with a missing, unknown or wrongly typed member gets 422."""
    assert auth.app.test_client().post("/auth/login", json=body).status_code == 422


def test_forms_do_not_log_in(auth: AuthService) -> None:
    """A login as a form gets 415, because any site can send a form."""
    body = {"tenant": "demo", "username": "ada", "password": PASSWORD}
    assert auth.app.test_client().post("/auth/login", data=body).status_code == 415


# Requests from other sites


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://wharf.test.evil.example"},
    {"Origin": "https://wharf.test"},
    {"Origin": "http://wharf.test:8081"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://wharf.test"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
]
OWN: list[dict[str, str]] = [
    {},
    {"Origin": "http://wharf.test"},
    {"Origin": "http://wharf.test", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://other.name:8080", "Host": "other.name:8080"},
]


@pytest.mark.parametrize("path", ["/auth/login", "/auth/logout"])
def test_other_sites_are_refused(auth: AuthService, path: str) -> None:
    """A page of another origin gets 403 and changes nothing (row 65)."""
    ada = logged_in(auth)
    before = ada.cookie
    body = {"tenant": "demo", "username": "ada", "password": PASSWORD}
    json = body if path == "/auth/login" else None
    for headers in FOREIGN:
        reply = ada.browser.post(path, json=json, headers=headers)
        assert reply.status_code == 403, headers
        assert reply.get_json()["type"] == "/problems/cross-site-request", headers
        assert "Set-Cookie" not in reply.headers, headers
        assert ada.cookie == before, headers
        assert len(ada.call("GET", "/sessions").get_json()["sessions"]) == 1, headers


@pytest.mark.parametrize("headers", OWN)
def test_own_pages_and_programs_may_log_in(auth: AuthService, headers: dict[str, str]) -> None:
    """A page of this origin and a program without browser fields can log in."""
    person(auth)
    body = {"tenant": "demo", "username": "ada", "password": PASSWORD}
    reply = auth.app.test_client().post("/auth/login", json=body, headers=headers)
    assert reply.status_code == 200


def test_no_cache_keeps_what_depends_on_the_cookie(auth: AuthService) -> None:
    """Each response that depends on the cookie has `no-store` and `Vary: Cookie`."""
    ada = person(auth)
    refused = ada.browser.post("/auth/login", json={}, headers={"Origin": "null"})
    replies = [ada.login(), ada.login("wrong"), ada.login(refresh_token="x"), refused]
    replies += [ada.refresh(), ada.refresh("x"), ada.browser.post("/auth/logout"), ada.refresh()]
    for reply in replies:
        assert reply.headers["Cache-Control"] == "no-store"
        assert "Cookie" in reply.vary


# Logout


def test_logout_ends_the_session(auth: AuthService) -> None:
    """A logout ends access and refresh token immediately, and removes the cookie."""
    ada = logged_in(auth)
    kept = ada.cookie
    assert kept is not None
    assert ada.call("GET", "/me").status_code == 200
    reply = ada.browser.post("/auth/logout")
    assert (reply.status_code, reply.data) == (204, b"")
    assert ada.cookie is None
    assert "secure" in reply.headers["Set-Cookie"].lower()
    reply = ada.call("GET", "/me")
    assert reply.status_code == 401
    assert reply.get_json()["type"] == "/problems/token-revoked"
    assert ada.refresh(kept).status_code == 400


def test_logout_with_the_token_in_the_body(auth: AuthService) -> None:
    """A program ends its session with the refresh token in the body."""
    ada = person(auth)
    token = ada.refresh_token()
    reply = ada.browser.post("/auth/logout", json={"refresh_token": token})
    assert reply.status_code == 204
    assert ada.refresh(token).status_code == 400


def test_logout_without_a_session_answers_the_same(auth: AuthService) -> None:
    """A logout without a valid session gets 204, as a logout with a session does."""
    browser = auth.app.test_client()
    assert browser.post("/auth/logout").status_code == 204
    assert browser.post("/auth/logout", json={"refresh_token": "x"}).status_code == 204


def test_another_login_ends_the_session_of_the_cookie(auth: AuthService) -> None:
    """A new login ends the session of the browser's old cookie, so that no session is left over."""
    ada = logged_in(auth)
    first = ada.cookie
    ada.login()
    sessions = ada.call("GET", "/sessions").get_json()["sessions"]
    assert [one["current"] for one in sessions] == [True]
    assert first is not None
    assert ada.refresh().status_code == 200
