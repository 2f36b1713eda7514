"""`/auth/v1/tenants/{tenant}/users`: the API that manages users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.servers.auth import AuthService
from tests.servers.people import PASSWORD, Person, logged_in, person

USERS = "/tenants/demo/users"


def create(auth: AuthService, **members: Any) -> Any:
    body = {"username": "ada", "role": "editor", "password": PASSWORD, **members}
    kept = {name: value for name, value in body.items() if value is not None}
    return auth.admin("POST", USERS, json=kept)


def subjects(auth: AuthService) -> list[tuple[str, str]]:
    """Return the user entries of the feed, in order."""
    entries = auth.records.feed(after=0, limit=1000).entries
    return [(one.id, one.state) for one in entries if one.kind == "subject"]


def is_in(one: Person) -> bool:
    """Tell whether the person's access token is valid."""
    return one.call("GET", "/me").status_code == 200


def test_create_and_read(auth: AuthService) -> None:
    """A new user is active and can be read, without the password."""
    reply = create(auth, username="Ada@Example.org", display_name="Ada Lovelace")
    assert reply.status_code == 201
    made = reply.get_json()
    assert set(made) == {
        *("user_id", "tenant", "username", "display_name", "role", "state"),
        *("created_at", "password_changed_at", "disabled_at", "grants", "groups"),
    }
    assert (made["username"], made["display_name"]) == ("Ada@Example.org", "Ada Lovelace")
    assert (made["tenant"], made["role"], made["state"]) == ("demo", "editor", "active")
    assert auth.admin("GET", f"{USERS}/{made['user_id']}").get_json() == made


def test_password_can_be_made_here(auth: AuthService) -> None:
    """A generated password is shown once, may not be cached, and is valid for a login."""
    reply = create(auth, password=None)
    assert reply.headers["Cache-Control"] == "no-store"
    password = reply.get_json()["password"]
    assert len(password) == 20
    assert "password" not in auth.admin("GET", f"{USERS}/{reply.get_json()['user_id']}").get_json()
    body = {"tenant": "demo", "username": "ada", "password": password}
    assert auth.app.test_client().post("/auth/login", json=body).status_code == 200


@pytest.mark.parametrize("name", ["ada", "ADA", "\uff21da"])
def test_names_are_unique_whatever_their_case(auth: AuthService, name: str) -> None:
    """A second user with a name gets 409 in any case of letters; another tenant may use it."""
    create(auth)
    reply = create(auth, username=name)
    assert reply.status_code == 409
    assert reply.get_json()["type"] == "/problems/user-exists"
    auth.admin("POST", "/tenants", json={"tenant": "acme"})
    body = {"username": name, "role": "viewer"}
    assert auth.admin("POST", "/tenants/acme/users", json=body).status_code == 201


NOT_ACCEPTABLE: list[Mapping[str, object]] = [
    *({"username": name} for name in ("", "a b", "a\n", "a\u200bb", "...", "x" * 255, 1)),
    *({"username": name} for name in ("a/b", "../a", "a\\b", "{username}", "a{", "}a")),
    *({"role": role} for role in ("admin", "Owner", "", None)),
    *({"password": text} for text in ("short", "password1", "ADA12345", "wharfwharf", "a" * 8)),
    *({"password": text} for text in ("x" * 256 + "y", "demodemo", "abcdefg\0")),
    {"display_name": "a\nb"},
    {"user_id": "x"},
    {"tenant": "acme"},
    {"state": "active"},
]


def test_what_is_not_acceptable(auth: AuthService) -> None:
    """A user with an invalid name, role or password, or an unknown member, gets 422."""
    for members in NOT_ACCEPTABLE:
        assert create(auth, **members).status_code == 422, members
    assert auth.admin("GET", USERS).get_json()["users"] == []


def test_reserved_tenant_has_no_users(auth: AuthService) -> None:
    """The reserved tenant can have no users, because an owner could create administrators."""
    body = {"username": "ada", "role": "owner"}
    reply = auth.admin("POST", "/tenants/wharf-admin/users", json=body)
    assert reply.status_code == 409
    assert reply.get_json()["type"] == "/problems/tenant-reserved"


def test_deleted_tenants_get_no_users(auth: AuthService) -> None:
    """A request that creates a user in a deleted tenant gets 409."""
    auth.admin("DELETE", "/tenants/demo")
    reply = create(auth)
    assert reply.status_code == 409
    assert reply.get_json()["type"] == "/problems/tenant-deleted"


def test_list_goes_page_by_page(auth: AuthService) -> None:
    """The pages of the list of users contain each user of the tenant once, oldest first."""
    made = [person(auth, f"user-{number}").id for number in range(5)]
    person(auth, "stranger", tenant="acme")
    found: list[str] = []
    page: dict[str, Any] = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        page = auth.admin("GET", f"{USERS}?limit=2&cursor={page['next_cursor']}").get_json()
        assert len(page["users"]) <= 2
        found += [one["user_id"] for one in page["users"]]
    assert found == made


# Changes that end sessions


def test_disabling_ends_everything_at_once(auth: AuthService) -> None:
    """A disabled user cannot log in; its old tokens stay refused after it is enabled again."""
    ada = logged_in(auth)
    ada.change(state="disabled")
    assert not is_in(ada)
    assert ada.refresh().status_code == 400
    assert ada.login().status_code == 401
    assert subjects(auth) == [(ada.id, "revoked")]
    shown = auth.admin("GET", f"{USERS}/{ada.id}").get_json()
    assert (shown["state"], shown["disabled_at"] is None) == ("disabled", False)
    ada.change(state="active")
    assert subjects(auth) == [(ada.id, "active")]
    assert not is_in(ada)
    assert ada.login().status_code == 200
    assert is_in(ada)


def test_another_role_ends_sessions(auth: AuthService) -> None:
    """A new role ends the user's sessions; setting the same role again ends none."""
    ada = logged_in(auth)
    ada.change(role="editor")
    assert is_in(ada)
    ada.change(role="viewer")
    assert not is_in(ada)
    assert ada.login().get_json()["scope"] == "files:read"


def test_another_display_name_ends_nothing(auth: AuthService) -> None:
    """A new display name ends no session, and members that are not sent stay unchanged."""
    ada = logged_in(auth)
    ada.change(display_name="Ada L.")
    me = ada.call("GET", "/me").get_json()
    assert (me["display_name"], me["role"]) == ("Ada L.", "editor")


def test_another_password_ends_sessions(auth: AuthService) -> None:
    """A password that an administrator sets ends all sessions and replaces the old password."""
    ada = logged_in(auth)
    path = f"{USERS}/{ada.id}/password"
    assert auth.admin("PUT", path, json={"password": "another good one"}).status_code == 204
    assert not is_in(ada)
    assert ada.refresh().status_code == 400
    assert ada.login().status_code == 401
    assert ada.login("another good one").status_code == 200


def test_deleting_leaves_nothing(auth: AuthService) -> None:
    """A deleted user's tokens are refused, the name is free, and no row of the user remains."""
    ada = logged_in(auth)
    assert auth.admin("DELETE", f"{USERS}/{ada.id}").status_code == 204
    assert not is_in(ada)
    assert ada.login().status_code == 401
    assert auth.admin("GET", f"{USERS}/{ada.id}").status_code == 404
    assert subjects(auth) == [(ada.id, "revoked")]
    for table in ("users", "sessions", "refresh_tokens"):
        assert auth.records._database.reading().rows(f"SELECT * FROM {table}") == []
    again = person(auth)
    assert again.id != ada.id


def test_all_sessions_of_a_user_can_be_ended(auth: AuthService) -> None:
    """An administrator can end all sessions of one user; other users' sessions continue."""
    ada, eve = logged_in(auth), logged_in(auth, "eve")
    token = ada.refresh_token()
    assert auth.admin("DELETE", f"{USERS}/{ada.id}/sessions").status_code == 204
    assert not is_in(ada)
    assert ada.refresh().status_code == 400
    assert person(auth, "new").refresh(token).status_code == 400
    assert is_in(eve)


# Rights of owners


def test_owner_manages_the_own_tenant(auth: AuthService) -> None:
    """An owner creates, lists, changes and deletes users and clients of its tenant."""
    owner, ada = logged_in(auth, "boss", "owner"), logged_in(auth)
    body = {"username": "new", "role": "viewer"}
    made = owner.manage("POST", "/users", json=body)
    assert made.status_code == 201
    assert len(owner.manage("GET", "/users").get_json()["users"]) == 3
    one = f"/users/{made.get_json()['user_id']}"
    assert owner.manage("PATCH", one, json={"role": "editor"}).get_json()["role"] == "editor"
    new = {"password": "another good one"}
    assert owner.manage("PUT", f"{one}/password", json=new).status_code == 204
    assert owner.manage("DELETE", one).status_code == 204
    assert owner.manage("DELETE", f"/users/{ada.id}/sessions").status_code == 204
    assert not is_in(ada)
    client = owner.manage("POST", "/clients", json={"name": "x", "scopes": ["files:read"]})
    assert client.status_code == 201
    path = f"/clients/{client.get_json()['client_id']}"
    assert owner.manage("DELETE", path).status_code == 204


def test_owners_and_their_clients_may_manage_webhooks(auth: AuthService) -> None:
    """Owners have `webhooks:admin`, and can give it to clients and groups of the tenant.

    Editors do not have it.
    """
    owner, editor = logged_in(auth, "boss", "owner"), logged_in(auth, "eve", "editor")
    assert "webhooks:admin" in owner.refresh().get_json()["scope"].split()
    assert editor.refresh(scope="webhooks:admin").get_json()["error"] == "invalid_scope"
    body = {"name": "x", "scopes": ["webhooks:admin"]}
    for path in ("/clients", "/groups"):
        made = owner.manage("POST", path, json=body)
        assert (made.status_code, made.get_json()["scopes"]) == (201, ["webhooks:admin"])


def test_owner_makes_no_administrators(auth: AuthService) -> None:
    """An owner cannot create a client with `tenants:admin` or `members:admin`."""
    owner = logged_in(auth, role="owner")
    for scope in ("tenants:admin", "members:admin"):
        reply = owner.manage("POST", "/clients", json={"name": "x", "scopes": [scope]})
        assert reply.status_code == 422


ROUTES = [
    ("GET", "/users", None),
    ("POST", "/users", {"username": "x", "role": "viewer"}),
    ("GET", "/users/{id}", None),
    ("PATCH", "/users/{id}", {"role": "owner"}),
    ("PUT", "/users/{id}/password", {"password": PASSWORD}),
    ("DELETE", "/users/{id}", None),
    ("DELETE", "/users/{id}/sessions", None),
    ("GET", "/clients", None),
    ("POST", "/clients", {"name": "x", "scopes": ["files:read"]}),
    ("DELETE", "/clients/wharf-demo", None),
]


def test_other_tenants_are_as_absent(auth: AuthService) -> None:
    """An owner gets 404 for another tenant's users, exactly as for absent users (row 67)."""
    owner, eve = logged_in(auth, role="owner"), logged_in(auth, "eve", "owner", "acme")
    for method, path, json in ROUTES:
        target = path.replace("{id}", eve.id)
        replies = [
            owner.call(method, f"/v1/tenants/{tenant}{target}", json=json)
            for tenant in ("acme", "absent")
        ]
        if "{id}" in path:
            absent = owner.manage(method, path.replace("{id}", "0" * 32), json=json)
            foreign = owner.manage(method, target, json=json)
            assert (absent.status_code, foreign.status_code) == (404, 404), (method, path)
            assert absent.get_json()["detail"] == foreign.get_json()["detail"], (method, path)
        assert [reply.status_code for reply in replies] == [404, 404], (method, path)
        details = {(reply.get_json()["type"], reply.get_json()["detail"]) for reply in replies}
        assert len(details) == 1, (method, path)
        assert eve.call("GET", "/me").get_json()["role"] == "owner", (method, path)


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_others_manage_nobody(auth: AuthService, role: str) -> None:
    """A viewer, an editor and an owner's narrowed token get 403 from each route."""
    eve, owner = logged_in(auth, "eve", role), logged_in(auth, "boss", "owner")
    owner.refresh(scope="files:read")
    for method, path, json in ROUTES:
        target = path.replace("{id}", eve.id)
        assert eve.manage(method, target, json=json).status_code == 403, (method, path)
        assert owner.manage(method, target, json=json).status_code == 403, (method, path)


@pytest.mark.parametrize(
    ("method", "path", "json"),
    [
        ("PATCH", "", {"role": "viewer"}),
        ("PATCH", "", {"state": "disabled"}),
        ("PUT", "/password", {"password": "another good one"}),
        ("DELETE", "", None),
    ],
)
def test_nobody_ends_the_own_account(
    auth: AuthService, method: str, path: str, json: object
) -> None:
    """An owner cannot change or delete its own account, so it cannot lock itself out."""
    owner = logged_in(auth, role="owner")
    reply = owner.manage(method, f"/users/{owner.id}{path}", json=json)
    assert reply.status_code == 409
    assert reply.get_json()["type"] == "/problems/user-protected"
    assert is_in(owner)


# The audit log


def test_each_act_is_audited(auth: AuthService) -> None:
    """Each act on a user is logged with actor, address and user id, without names or passwords."""
    owner = logged_in(auth, "boss", "owner")
    before = auth.records.audit(after=0, limit=1000)[-1].seq
    ada = owner.manage("POST", "/users", json={"username": "ada", "role": "viewer"}).get_json()
    one = f"/users/{ada['user_id']}"
    owner.manage("PATCH", one, json={"role": "editor", "display_name": "A", "state": "disabled"})
    owner.manage("PATCH", one, json={"state": "active"})
    owner.manage("PUT", f"{one}/password", json={"password": "another good one"})
    owner.manage("DELETE", f"{one}/sessions")
    owner.manage("DELETE", one)
    lines = auth.records.audit(after=before, limit=1000)
    assert [line.act.act for line in lines] == [
        "users.create",
        "users.set-role",
        "users.rename",
        "users.disable",
        "users.enable",
        "users.set-password",
        "users.end-sessions",
        "users.delete",
    ]
    for line in lines:
        assert (line.act.by.id, line.act.by.tenant) == (owner.id, "demo")
        assert (line.act.tenant, line.act.about) == ("demo", ada["user_id"])
        assert line.act.by.address == "127.0.0.1"
        assert line.act.by.request_id


def test_purged_tenants_keep_no_people(auth: AuthService) -> None:
    """The purge of a tenant deletes its users, sessions and refresh tokens."""
    logged_in(auth)
    kept = logged_in(auth, "eve", tenant="acme")
    auth.admin("DELETE", "/tenants/demo")
    auth.clock.now += 366 * 24 * 3600
    from wharf_auth.accounts import tenants

    assert tenants.purge_due(auth.records, auth.clock) == ["demo"]
    rows = auth.records._database.reading().rows("SELECT id FROM users")
    assert rows == [(kept.id,)]
    assert len(auth.records._database.reading().rows("SELECT hash FROM refresh_tokens")) == 1
