"""`/auth/me` and introspection return the grants and scopes that are valid at the time of the
request.
"""

from __future__ import annotations

from typing import Any

from tests.servers.auth import TOKEN, AuthService
from tests.servers.people import Person, logged_in

OWN = {
    "bucket": "photos",
    "prefix": "users/{user_id}/",
    "actions": ["read", "write", "delete", "list"],
}
INBOX = {"bucket": "photos", "prefix": "inbox/{client}/", "actions": ["write"]}
AUDITED = {"bucket": "*", "prefix": "", "actions": ["read", "list"]}
CLIENTS, USERS, GROUPS = (f"/tenants/demo/{kind}" for kind in ("clients", "users", "groups"))


def change(auth: AuthService, path: str, **members: Any) -> Any:
    """Change a client, user or group, and return the response's document."""
    reply = auth.admin("PATCH", path, json=members)
    assert reply.status_code == 200, reply.get_json()
    assert auth.admin("GET", path).get_json() == reply.get_json()
    return reply.get_json()


def grouped(auth: AuthService, subject: str, name: str = "x", **members: Any) -> str:
    """Create a group with one member, and return its path."""
    made = auth.admin("POST", GROUPS, json={"name": name, **members}).get_json()
    path = f"{GROUPS}/{made['group_id']}"
    assert auth.admin("PUT", f"{path}/members/{subject}").status_code == 204
    return path


def me(person: Person) -> Any:
    """Return the document of `/auth/me`."""
    reply = person.call("GET", "/me")
    assert reply.status_code == 200, reply.get_json()
    return reply.get_json()


def test_me_tells_what_is_reached(auth: AuthService) -> None:
    """`/auth/me` returns the user's and groups' grants, filled in, or `null` without a list."""
    ada = logged_in(auth)
    assert me(ada)["grants"] is None
    change(auth, f"{USERS}/{ada.id}", grants=[OWN])
    filled = {**OWN, "prefix": f"users/{ada.id}/"}
    assert me(ada)["grants"] == [filled]
    read = {"bucket": "shared", "prefix": "{username}/", "actions": ["read"]}
    group = grouped(auth, ada.id, grants=[read, INBOX])
    assert me(ada)["grants"] == [filled, {**read, "prefix": "ada/"}]
    change(auth, f"{USERS}/{ada.id}", grants=[])
    change(auth, group, grants=[AUDITED])
    assert me(ada)["grants"] == [AUDITED]
    assert auth.admin("DELETE", group).status_code == 204
    assert me(ada)["grants"] == []
    grouped(auth, ada.id, grants=None)
    assert me(ada)["grants"] is None


def test_me_tells_the_scopes_that_are_left(auth: AuthService) -> None:
    """A group's added scope is valid from the next token on; a removed scope ends immediately."""
    ada = logged_in(auth, role="viewer")
    group = grouped(auth, ada.id, scopes=["files:write"])
    assert me(ada)["scopes"] == ["files:read"]
    assert ada.refresh().status_code == 200
    assert me(ada)["scopes"] == ["files:read", "files:write"]
    change(auth, group, scopes=[])
    assert me(ada)["scopes"] == ["files:read"]


def introspected(auth: AuthService, token: str) -> Any:
    """Return the result of an introspection by the client of the tenant `demo`."""
    entry = auth.credentials["demo"]
    secret = (entry.client_id, entry.client_secret)
    return (
        auth.app.test_client()
        .post("/auth/oauth/introspect", data={"token": token}, auth=secret)
        .get_json()
    )


def test_introspection_tells_what_is_reached(auth: AuthService) -> None:
    """Introspection returns the current scopes, and `grants` if the client has a list of grants."""
    body = {"name": "importer", "scopes": ["files:read", "files:write"], "grants": [INBOX]}
    made = auth.admin("POST", CLIENTS, json=body).get_json()
    login = (made["client_id"], made["client_secret"])
    reply = auth.app.test_client().post(
        TOKEN, data={"grant_type": "client_credentials"}, auth=login
    )
    token = reply.get_json()["access_token"]
    path = f"{CLIENTS}/{made['client_id']}"
    filled = {**INBOX, "prefix": f"inbox/{made['client_id']}/"}
    assert introspected(auth, token)["grants"] == [filled]
    change(auth, path, grants=[], scopes=["files:write"])
    told = introspected(auth, token)
    assert (told["grants"], told["scope"]) == ([], "files:write")
    change(auth, path, grants=None)
    assert "grants" not in introspected(auth, token)
    assert "grants" not in introspected(auth, auth.post_token().get_json()["access_token"])
