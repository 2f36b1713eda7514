"""Documents of auth about people, clients and acts, for tests of the console's pages."""

from __future__ import annotations

from typing import Any

from tests.servers.fake_gateway import Call, FakeGateway, Reply

TENANT = "/auth/v1/tenants/acme"
USERS, CLIENTS = f"{TENANT}/users", f"{TENANT}/clients"
GROUPS = f"{TENANT}/groups"
EVIL = '"><script>alert(1)</script>'


def user_document(name: str = "bob", user_id: str = "user-2", **fields: Any) -> dict[str, Any]:
    """Return a document of a person of the tenant."""
    return {
        "user_id": user_id,
        "tenant": "acme",
        "username": name,
        "display_name": name.title(),
        "role": "viewer",
        "state": "active",
        "created_at": "2026-11-18T10:00:00.000Z",
        "password_changed_at": "2026-11-19T10:00:00.000Z",
        "disabled_at": None,
        **fields,
    }


def client_document(
    name: str = "robot", client_id: str = "client-1", **fields: Any
) -> dict[str, Any]:
    """Return a document of a client of the tenant."""
    return {
        "client_id": client_id,
        "tenant": "acme",
        "name": name,
        "scopes": ["files:read", "files:write"],
        "state": "active",
        "created_at": "2026-11-18T10:00:00.000Z",
        "disabled_at": None,
        **fields,
    }


def secret_document(secret_id: str = "secret-1", **fields: Any) -> dict[str, Any]:
    """Return a document of a client's secret, as in a list."""
    return {
        "secret_id": secret_id,
        "hint": "aB3_",
        "created_at": "2026-11-18T10:00:00.000Z",
        **fields,
    }


def group_document(name: str = "team", **fields: Any) -> dict[str, Any]:
    """Return a document of a group of the tenant. Each member of the group
    has a separate folder.
    """
    return {
        "group_id": "group-1",
        "tenant": "acme",
        "name": name,
        "scopes": ["files:write"],
        "grants": [{"bucket": "docs", "prefix": "users/{user_id}/", "actions": ["read", "write"]}],
        "members": 2,
        "created_at": "2026-11-18T10:00:00.000Z",
        **fields,
    }


def act_document(seq: int = 1, act: str = "users.create", **fields: Any) -> dict[str, Any]:
    """Return a document of a line of the audit log."""
    return {
        "seq": seq,
        "at": "2026-11-18T10:00:00.000Z",
        "actor": "user-1",
        "actor_tenant": "acme",
        "address": "192.0.2.7",
        "request_id": "request",
        "act": act,
        "tenant": "acme",
        "about": "user-2",
        "outcome": "done",
        **fields,
    }


def serve_people(gateway: FakeGateway) -> None:
    """Let the gateway list Ann, who is logged in, Bob, a client, an audit log and Ann's
    sessions.
    """
    people = [user_document("ann", "user-1", role="owner"), user_document()]
    gateway.on("GET", USERS, Reply({"users": people, "next_cursor": None}))
    for one in people:
        gateway.on("GET", f"{USERS}/{one['user_id']}", Reply(one))
    gateway.on("POST", USERS, created)
    gateway.on("PATCH", f"{USERS}/.*", Reply(user_document()))
    gateway.on("PUT", f"{USERS}/.*/password", Reply(status=204))
    gateway.on("DELETE", f"{USERS}/.*", Reply(status=204))
    clients = {"clients": [client_document()], "next_cursor": None}
    gateway.on("GET", CLIENTS, Reply(clients))
    gateway.on(
        "POST", CLIENTS, Reply(client_document(client_secret="the-secret-itself"), status=201)
    )
    gateway.on("GET", f"{CLIENTS}/client-1", Reply(client_document()))
    gateway.on("PATCH", f"{CLIENTS}/client-1", Reply(client_document()))
    gateway.on("DELETE", f"{CLIENTS}/.*", Reply(status=204))
    gateway.on("GET", f"{CLIENTS}/client-1/secrets", Reply({"secrets": [secret_document()]}))
    second = {**secret_document("secret-2"), "client_id": "client-1", "client_secret": "another"}
    gateway.on("POST", f"{CLIENTS}/client-1/secrets", Reply(second, status=201))
    gateway.on("GET", "/auth/v1/audit", Reply({"acts": [act_document()], "next_after": None}))
    sessions = {
        "session_id": "session-2",
        "created_at": "2026-11-18T10:00:00.000Z",
        "used_at": "2026-11-19T10:00:00.000Z",
        "expires_at": "2026-12-18T10:00:00.000Z",
        "address": "192.0.2.9",
        "user_agent": "Telephone",
        "current": False,
    }
    own = {**sessions, "session_id": "session-1", "address": "127.0.0.1", "current": True}
    gateway.on("GET", "/auth/sessions", Reply({"sessions": [sessions, own], "next_cursor": None}))
    gateway.on("DELETE", "/auth/sessions/.*", Reply(status=204))
    gateway.on("PUT", "/auth/me/password", Reply(status=204))


def serve_groups(gateway: FakeGateway) -> None:
    """Let the gateway list one group, which has Bob and the client as members."""
    gateway.on("GET", GROUPS, Reply({"groups": [group_document()], "next_cursor": None}))
    gateway.on("POST", GROUPS, Reply(group_document(), status=201))
    gateway.on("GET", f"{GROUPS}/group-1", Reply(group_document()))
    gateway.on("PATCH", f"{GROUPS}/group-1", Reply(group_document()))
    gateway.on("DELETE", f"{GROUPS}/group-1(/members/.*)?", Reply(status=204))
    members = [
        {"subject": "user-2", "kind": "user", "name": "bob"},
        {"subject": "client-1", "kind": "client", "name": "robot"},
    ]
    gateway.on("GET", f"{GROUPS}/group-1/members", Reply({"members": members, "next_cursor": None}))
    gateway.on("POST", f"{GROUPS}/group-1/members", Reply(status=204))


def created(call: Call) -> Reply:
    """Return the response to a request for a new user: the document of this user."""
    wanted = call.json
    name = wanted["display_name"] or wanted["username"]
    made = user_document(wanted["username"], role=wanted["role"], display_name=name)
    return Reply(made, status=201)


def wanted_users(gateway: FakeGateway) -> list[dict[str, Any]]:
    """Return the bodies of the requests for new users."""
    return [call.json for call in gateway.called("POST", USERS)]


def changes(gateway: FakeGateway) -> list[tuple[str, str]]:
    """Return method and path of each changing request except logins and requests for tokens."""
    return [
        (call.method, call.path)
        for call in gateway.calls
        if call.method != "GET" and call.path not in {"/auth/login", "/auth/oauth/token"}
    ]
