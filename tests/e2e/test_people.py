"""People through gateway and services: logins, sessions, and how they end (rows 60, 61, 64, 65).

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.servers.promised import holds
from tests.servers.wharf import people
from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.people import COOKIE, PASSWORD, Person
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Tenants
from tests.servers.wharf.traces import nothing_stored


@pytest.fixture
def ada(tenants: Tenants) -> Person:
    """Return an editor who is logged in, of a separate tenant that has a file."""
    tenant = tenants.tenant()
    tenant.stored("there", b"there")
    found = people.make(tenants.admin, tenant.tenant)
    assert found.login().status == 200
    return found


def user_path(one: Person) -> str:
    return f"/auth/v1/tenants/{one.api.tenant}/users/{one.id}"


def out(wharf: Wharf, one: ApiClient) -> None:
    """Check that auth refuses the token immediately, and upload refuses it within seconds."""
    one.get("/auth/me").problem(401, "token-revoked")
    one.get("/auth/sessions").problem(401, "token-revoked")
    # Each worker reads the feed of revocations separately, within half a second.
    assert holds(lambda: all(one.get("/v1/usage").slug == "token-revoked" for _ in range(20)))
    with nothing_stored(wharf, one.tenant):
        for answer in (one.put("a", SMALL), one.put("a", LARGE), one.file("there")):
            answer.problem(401, "token-revoked")
            assert 'error="invalid_token"' in answer.header("WWW-Authenticate")


def test_person_uploads(ada: Person) -> None:
    """An editor's token allows work with files, and no work with buckets."""
    assert ada.api.put("mine", LARGE).status == 201
    assert ada.api.file("there").body == b"there"
    ada.api.send_json("PUT", "/v1/buckets/photos", {}).problem(403, "insufficient-scope")
    assert ada.api.delete("mine").status == 204
    me = ada.api.get("/auth/me").json()
    assert (me["user_id"], me["role"], me["tenant"]) == (ada.id, "editor", ada.api.tenant)


def test_owner_makes_buckets_users_and_clients(tenants: Tenants, ada: Person) -> None:
    """An owner can make buckets, users and clients in its tenant, and no other (row 67)."""
    owner = people.make(tenants.admin, ada.api.tenant, "boss", "owner")
    owner.login()
    assert owner.api.send_json("PUT", "/v1/buckets/photos", {}).status == 201
    eve = people.make(owner.api, ada.api.tenant, "eve", "viewer")
    assert eve.login().json()["scope"] == "files:read"
    body = {"name": "x", "scopes": ["files:read"]}
    for kind, new in (("users", {"username": "x", "role": "viewer"}), ("clients", body)):
        target = f"/auth/v1/tenants/{{}}/{kind}"
        assert owner.api.send_json("POST", target.format(ada.api.tenant), new).status == 201
        foreign = owner.api.send_json("POST", target.format("demo"), new)
        absent = owner.api.send_json("POST", target.format("absent"), new)
        assert foreign.problem(404, "not-found")["detail"] == absent.json()["detail"]


def test_cookie_through_the_gateway(ada: Person) -> None:
    """The login cookie reaches the browser with all attributes, and no body contains its token."""
    answer = ada.login()
    attributes = {one.strip().lower() for one in answer.header("Set-Cookie").split(";")[1:]}
    assert {"secure", "httponly", "samesite=strict", "path=/"} <= attributes
    assert not any(one.startswith("domain") for one in attributes)
    assert answer.header("Cache-Control") == "no-store"
    assert "Cookie" in answer.header("Vary")
    assert ada.cookie.encode() not in answer.body


def test_session_goes_on_by_cookie(ada: Person) -> None:
    """Each refresh returns a token that upload accepts, and a new cookie."""
    before = ada.cookie
    assert ada.refresh().status == 200
    assert ada.cookie != before
    assert ada.api.put("mine").status == 201


def test_token_used_twice_ends_the_session(wharf: Wharf, ada: Person) -> None:
    """Row 61: reuse of a refresh token ends the session with all its tokens."""
    answer = ada.login(refresh_token="body")
    stolen = answer.json()["refresh_token"]
    current = ada.refresh(refresh_token=stolen).json()["refresh_token"]
    assert ada.api.put("mine").status == 201
    thief = ada.elsewhere().refresh(refresh_token=stolen)
    assert (thief.status, thief.json()["error"]) == (400, "invalid_grant")
    assert ada.refresh(refresh_token=current).status == 400
    out(wharf, ada.api)


def test_logout(wharf: Wharf, ada: Person) -> None:
    """A logout ends the session in every service, and a session on another device continues."""
    phone = ada.elsewhere()
    phone.cookie = ""
    assert phone.login().status == 200
    answer = ada.logout()
    assert answer.status == 204
    assert answer.header("Set-Cookie").startswith(f"{COOKIE}=;")
    out(wharf, ada.api)
    assert ada.refresh().status == 400
    assert phone.api.file("there").status == 200
    assert phone.refresh().status == 200


ENDS: dict[str, Callable[[ApiClient, Person], Answer]] = {
    "disabled": lambda admin, one: admin.send_json("PATCH", user_path(one), {"state": "disabled"}),
    "demoted": lambda admin, one: admin.send_json("PATCH", user_path(one), {"role": "viewer"}),
    "password": lambda admin, one: admin.send_json(
        "PUT", f"{user_path(one)}/password", {"password": "another good one"}
    ),
    "sessions": lambda admin, one: admin.request("DELETE", f"{user_path(one)}/sessions"),
    "deleted": lambda admin, one: admin.request("DELETE", user_path(one)),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_ends_sessions(wharf: Wharf, tenants: Tenants, ada: Person, end: str) -> None:
    """Row 60: every change that ends a user's sessions takes effect everywhere within seconds."""
    assert ENDS[end](tenants.admin, ada).status in {200, 204}
    out(wharf, ada.api)
    assert ada.refresh().status == 400


def test_suspended_tenant(tenants: Tenants, ada: Person) -> None:
    """Only a login with the right password learns of a suspension.

    After a resume the session continues.
    """
    target = f"/auth/v1/tenants/{ada.api.tenant}"
    assert tenants.admin.request("POST", f"{target}/suspend").status == 204
    ada.api.get("/auth/me").problem(403, "tenant-suspended")
    assert holds(lambda: ada.api.file("there").slug == "tenant-suspended")
    stranger = ada.elsewhere()
    stranger.cookie = ""
    stranger.login("wrong password").problem(401, "login-refused")
    stranger.login().problem(403, "tenant-suspended")
    assert ada.refresh().json()["error"] == "unauthorized_client"
    assert tenants.admin.request("POST", f"{target}/resume").status == 204
    assert ada.refresh().status == 200
    assert holds(lambda: ada.api.file("there").status == 200)


def test_refusals_are_alike(tenants: Tenants, ada: Person) -> None:
    """Row 64: four kinds of refused logins get equal responses.

    The user is unknown or disabled, the tenant is unknown, or the password is wrong.
    """
    eve = people.make(tenants.admin, ada.api.tenant, "eve")
    tenants.admin.send_json("PATCH", user_path(eve), {"state": "disabled"})
    nobody = Person(ada.api, "", "nobody")
    elsewhere = Person(ApiClient(ada.api.port, None, "absent"), "", "ada")
    answers = [ada.login("wrong password"), eve.login(), nobody.login(), elsewhere.login()]
    documents = [{**one.problem(401, "login-refused"), "request_id": ""} for one in answers]
    assert documents == [documents[0]] * 4
    names = [sorted(one.headers.keys()) for one in answers]
    assert names == [names[0]] * 4
    assert {len(one.body) for one in answers} == {len(answers[0].body)}


FOREIGN = [
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_sites_change_nothing(ada: Person, headers: dict[str, str]) -> None:
    """Row 65: login, logout and refresh by cookie get 403 for pages of other origins."""
    before = ada.cookie
    ada.login(headers=headers).problem(403, "cross-site-request")
    ada.logout(headers).problem(403, "cross-site-request")
    refused = ada.refresh(headers)
    refused.problem(403, "cross-site-request")
    assert refused.headers.get("Access-Control-Allow-Origin") is None
    assert ada.cookie == before
    own = {"Origin": f"http://127.0.0.1:{ada.api.port}", "Sec-Fetch-Site": "same-origin"}
    assert ada.refresh(own).status == 200


def test_neither_passwords_nor_tokens_are_logged(wharf: Wharf, ada: Person) -> None:
    """No log contains a password, a refresh token or an access token."""
    token = ada.login(refresh_token="body").json()["refresh_token"]
    ada.refresh(refresh_token=token)
    ada.refresh(refresh_token=token)
    assert until(lambda: "used twice" in wharf.log("auth"))
    for name in ("access", "auth", "nginx", "upload"):
        for secret in (PASSWORD, token, ada.cookie, str(ada.api.token)):
            assert secret not in wharf.log(name)
