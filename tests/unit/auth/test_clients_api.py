"""`/auth/v1/tenants/{tenant}/clients`: the API that manages clients, called by an administrator."""

from __future__ import annotations

import pytest

from tests.servers.auth import TOKEN, AuthService
from wharf_auth.domain.scopes import CLIENT_SCOPES

GRANT = {"grant_type": "client_credentials"}
BILLING = {"name": "billing", "scopes": ["files:write", "files:read"]}


def test_new_client_can_log_in(auth: AuthService) -> None:
    """The response to the creation of a client contains a secret, with which the client gets a
    token.
    """
    reply = auth.admin("POST", "/tenants/demo/clients", json=BILLING)
    assert reply.status_code == 201
    assert reply.headers["Cache-Control"] == "no-store"
    made = reply.get_json()
    assert made["scopes"] == ["files:read", "files:write"]
    assert (made["tenant"], made["name"], made["state"]) == ("demo", "billing", "active")
    assert len(made["client_secret"]) == 43
    token = auth.app.test_client().post(
        TOKEN, data=GRANT, auth=(made["client_id"], made["client_secret"])
    )
    assert token.get_json()["scope"] == "files:read files:write"


def test_secret_is_shown_once(auth: AuthService) -> None:
    """A client's secret is in one response only, and not in the database."""
    secret = auth.admin("POST", "/tenants/demo/clients", json=BILLING).get_json()["client_secret"]
    listed = auth.admin("GET", "/tenants/demo/clients")
    assert "secret" not in listed.text
    assert "argon2" not in listed.text
    for file in (auth.settings.data / "auth").glob("auth.db*"):
        assert secret.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["files:fly"]},
        {"name": "x", "scopes": ["files:read files:write"]},
        {"name": "x", "scopes": "files:read"},
        {"name": "", "scopes": ["files:read"]},
        {"name": "a\nb", "scopes": ["files:read"]},
        {"name": "x"},
        {"scopes": ["files:read"]},
        {"name": "x", "scopes": ["files:read"], "client_id": "mine"},
        {"name": "x", "scopes": ["files:read"], "client_secret": "mine"},
        {"name": "x", "scopes": ["files:read"], "tenant": "other"},
    ],
)
def test_odd_clients_are_refused(auth: AuthService, body: object) -> None:
    """A new client with an invalid name, an unknown scope or an unknown member gets 422."""
    assert auth.admin("POST", "/tenants/demo/clients", json=body).status_code == 422


def test_administration_is_for_the_reserved_tenant(auth: AuthService) -> None:
    """Only clients of the reserved tenant can have `tenants:admin`, which is for all tenants."""
    body = {"name": "x", "scopes": list(CLIENT_SCOPES)}
    reply = auth.admin("POST", "/tenants/demo/clients", json=body)
    assert reply.status_code == 422
    assert "wharf-admin" in reply.get_json()["detail"]
    assert auth.admin("POST", "/tenants/wharf-admin/clients", json=body).status_code == 201


def test_client_of_an_absent_tenant(auth: AuthService) -> None:
    """A request that creates a client in an absent tenant gets 404."""
    assert auth.admin("POST", "/tenants/absent/clients", json=BILLING).status_code == 404


def test_list_holds_the_tenants_own_clients_only(auth: AuthService) -> None:
    """The list of clients has pages, and contains only the clients of the tenant."""
    made = [
        auth.admin("POST", "/tenants/demo/clients", json=BILLING).get_json()["client_id"]
        for _ in range(3)
    ]
    found: list[str] = []
    query = "limit=3"
    while query:
        page = auth.admin("GET", f"/tenants/demo/clients?{query}").get_json()
        found += [one["client_id"] for one in page["clients"]]
        query = page["next_cursor"] and f"limit=3&cursor={page['next_cursor']}"
    assert found == [*made, "wharf-demo"]


def test_disabled_client_is_out(auth: AuthService) -> None:
    """A disabled client gets no token and stays in the list; disabling it again has no effect."""
    for _ in range(2):
        reply = auth.admin("DELETE", "/tenants/demo/clients/wharf-demo")
        assert reply.status_code == 204
        assert reply.data == b""
    assert auth.post_token().status_code == 401
    (shown,) = auth.admin("GET", "/tenants/demo/clients").get_json()["clients"]
    assert shown["state"] == "disabled"
    assert shown["disabled_at"] is not None


def test_clients_of_others_are_not_found(auth: AuthService) -> None:
    """A client is found only under its own tenant (security.md 67)."""
    for path in ("/tenants/wharf-admin/clients/wharf-demo", "/tenants/demo/clients/absent"):
        reply = auth.admin("DELETE", path)
        assert reply.status_code == 404
    assert auth.post_token().status_code == 200


def test_administrator_cannot_lock_itself_out(auth: AuthService) -> None:
    """The administrator's client cannot disable itself, because no client could undo that."""
    reply = auth.admin("DELETE", "/tenants/wharf-admin/clients/wharf-admin")
    assert reply.status_code == 409
    assert auth.admin("GET", "/tenants").status_code == 200
