"""Grants of clients and users: how the API sets and returns them."""

from __future__ import annotations

from typing import Any

from tests.servers.auth import AuthService
from tests.servers.people import PASSWORD, Person, logged_in

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


def test_grants_of_clients(auth: AuthService) -> None:
    """The API returns grants as they were set, with placeholders, and `null` for no list."""
    body = {"name": "importer", "scopes": ["files:write"]}
    assert auth.admin("POST", CLIENTS, json=body).get_json()["grants"] is None
    made = auth.admin("POST", CLIENTS, json={**body, "grants": [INBOX]}).get_json()
    assert (made["grants"], made["groups"]) == ([INBOX], [])
    path = f"{CLIENTS}/{made['client_id']}"
    changed = change(auth, path, grants=[])
    assert (changed["grants"], changed["scopes"], changed["name"]) == (
        [],
        ["files:write"],
        "importer",
    )
    changed = change(auth, path, name="Importer", scopes=["files:read", "files:write"])
    assert (changed["grants"], changed["scopes"]) == ([], ["files:read", "files:write"])
    assert change(auth, path, grants=None)["grants"] is None
    assert "secret" not in auth.admin("GET", path).text


def test_clients_that_cannot_be_changed(auth: AuthService) -> None:
    """A request cannot change its own client or another tenant's client, or remove all scopes."""
    for path in ("/tenants/wharf-admin/clients/wharf-demo", f"{CLIENTS}/absent"):
        for method in ("GET", "PATCH"):
            assert auth.admin(method, path, json={"name": "x"}).status_code == 404
    own = "/tenants/wharf-admin/clients/wharf-admin"
    reply = auth.admin("PATCH", own, json={"scopes": ["files:read"]})
    assert reply.get_json()["type"] == "/problems/client-protected"
    odd: tuple[dict[str, object], ...] = (
        {"scopes": []},
        {"scopes": ["files:fly"]},
        {"scopes": ["members:admin"]},
        {"scopes": ["tenants:admin"]},
        {"scopes": None},
        {"name": ""},
        {"state": "disabled"},
    )
    for body in odd:
        assert auth.admin("PATCH", f"{CLIENTS}/wharf-demo", json=body).status_code == 422, body


def test_grants_of_people(auth: AuthService) -> None:
    """A user's grants can be set at creation or later; a change of grants ends no session."""
    body = {"username": "ada", "role": "editor", "password": PASSWORD, "grants": [OWN]}
    made = auth.admin("POST", USERS, json=body).get_json()
    assert (made["grants"], made["groups"]) == ([OWN], [])
    ada = Person(auth, made["user_id"], "demo", "ada", auth.app.test_client())
    assert ada.login().status_code == 200
    path = f"{USERS}/{ada.id}"
    assert change(auth, path, grants=[])["grants"] == []
    assert change(auth, path, display_name="Ada L.")["grants"] == []
    assert change(auth, path, grants=None)["grants"] is None
    assert ada.call("GET", "/me").status_code == 200


def test_refused_change_changes_nothing(auth: AuthService) -> None:
    """If one field of a change is invalid, no other field changes either."""
    body = {"username": "ada", "role": "viewer", "password": PASSWORD}
    path = f"{USERS}/{auth.admin('POST', USERS, json=body).get_json()['user_id']}"
    before = auth.admin("GET", path).get_json()
    wrong = {**OWN, "prefix": "../"}
    changes: tuple[dict[str, Any], ...] = (
        {"display_name": "Ada L.", "role": "editor", "grants": [wrong]},
        {"display_name": "Ada L.", "role": "owner", "grants": [OWN]},
        {"display_name": "a\nb", "role": "editor", "grants": [OWN], "state": "disabled"},
    )
    for refused in changes:
        assert auth.admin("PATCH", path, json=refused).status_code == 422
        assert auth.admin("GET", path).get_json() == before
    good = {"display_name": "Ada L.", "role": "editor", "grants": [OWN], "state": "disabled"}
    changed = change(auth, path, **good)
    assert {name: changed[name] for name in good} == good


def test_nobody_changes_the_own_grants(auth: AuthService) -> None:
    """An owner changes other users' grants and gets 409 for its own grants; an editor gets 403."""
    grace, ada = logged_in(auth, "grace", "owner"), logged_in(auth)
    reply = grace.manage("PATCH", f"/users/{ada.id}", json={"grants": [OWN]})
    assert reply.status_code == 200
    for who in (grace, ada):
        reply = who.manage("PATCH", f"/users/{who.id}", json={"grants": None})
        assert reply.status_code == (409 if who is grace else 403)
