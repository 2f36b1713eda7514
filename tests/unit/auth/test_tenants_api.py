"""`/auth/v1/tenants`: the API that manages tenants, called by an administrator."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.servers.auth import AuthService, act
from wharf_auth.app import create_app
from wharf_auth.signing import KeyRing


def test_create_and_read(auth: AuthService) -> None:
    """A new tenant is active and can be read."""
    reply = auth.admin("POST", "/tenants", json={"tenant": "acme", "display_name": "Acme"})
    assert reply.status_code == 201
    made = reply.get_json()
    assert made["created_at"].endswith("Z")
    assert {**made, "created_at": ""} == {
        "tenant": "acme",
        "display_name": "Acme",
        "state": "active",
        "created_at": "",
        "suspended_at": None,
        "deleted_at": None,
        "purge_at": None,
    }
    assert auth.admin("GET", "/tenants/acme").get_json() == made


def test_display_name_defaults_to_the_name(auth: AuthService) -> None:
    """Without a display name in the request, the display name is the tenant's name."""
    made = auth.admin("POST", "/tenants", json={"tenant": "acme"}).get_json()
    assert made["display_name"] == "acme"


@pytest.mark.parametrize("name", ["abc", "a-b", "0x0", "a" * 63])
def test_names_that_are_allowed(auth: AuthService, name: str) -> None:
    """A tenant's name has 3 to 63 characters of a-z, 0-9 and hyphens."""
    assert auth.admin("POST", "/tenants", json={"tenant": name}).status_code == 201
    assert auth.admin("GET", f"/tenants/{name}").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "a" * 64,
        "-ab",
        "ab-",
        "Abc",
        "a_b",
        "a b",
        "a/b",
        "abc\n",
        "äbc",
        "a.b",
        "../x",
        7,
    ],
)
def test_names_that_are_not_allowed(auth: AuthService, name: object) -> None:
    """A tenant's invalid name gets 422, and so does a valid name with a line end after it."""
    reply = auth.admin("POST", "/tenants", json={"tenant": name})
    assert reply.status_code == 422
    assert reply.get_json()["type"] == "/problems/unprocessable"


@pytest.mark.parametrize("text", ["", "   ", "x" * 201, "a\nb", "a\u202eb", "\0", "a\u200bb"])
def test_display_names_are_readable(auth: AuthService, text: str) -> None:
    """A display name of spaces only, of 201 characters, or with a hidden character gets 422."""
    reply = auth.admin("POST", "/tenants", json={"tenant": "acme", "display_name": text})
    assert reply.status_code == (201 if text == "" else 422)


def test_display_names_are_nfc(auth: AuthService) -> None:
    """A display name is stored in Unicode NFC."""
    made = auth.admin(
        "POST", "/tenants", json={"tenant": "acme", "display_name": "Cafe\u0301 日本"}
    )
    assert made.get_json()["display_name"] == "Café 日本"


def test_names_are_never_reused(auth: AuthService) -> None:
    """A second tenant of the same name gets 409."""
    auth.admin("POST", "/tenants", json={"tenant": "acme"})
    reply = auth.admin("POST", "/tenants", json={"tenant": "acme"})
    assert reply.status_code == 409
    assert reply.get_json()["type"] == "/problems/tenant-exists"


@pytest.mark.parametrize(
    "body",
    [
        {"tenant": "acme", "suspended_at": None},
        {"tenant": "acme", "created_at": 1},
        {"display_name": "x"},
        {},
        [],
        "acme",
    ],
)
def test_unknown_and_missing_members_are_refused(auth: AuthService, body: object) -> None:
    """A body with an unknown or missing member gets 422 (security.md 68)."""
    assert auth.admin("POST", "/tenants", json=body).status_code == 422


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"nul", b'{"tenant": NaN}'])
def test_broken_json_is_malformed(auth: AuthService, raw: bytes) -> None:
    """A body that is not JSON gets 400."""
    reply = auth.admin("POST", "/tenants", data=raw, content_type="application/json")
    assert reply.status_code == 400


def test_deep_json_is_refused(auth: AuthService) -> None:
    """A deeply nested JSON body gets 400 or 422 and does not exhaust the stack."""
    reply = auth.admin("POST", "/tenants", data=b"[" * 50_000, content_type="application/json")
    assert reply.status_code in {400, 422}


def test_other_content_types_are_refused(auth: AuthService) -> None:
    """A form gets 415, so a page of another site cannot create a tenant."""
    reply = auth.admin("POST", "/tenants", data={"tenant": "acme"})
    assert reply.status_code == 415
    assert reply.get_json()["expected"] == "application/json"


def test_list_goes_page_by_page(auth: AuthService) -> None:
    """The pages of the list of tenants contain each tenant once, in the order of their names."""
    for number in range(5):
        auth.admin("POST", "/tenants", json={"tenant": f"team-{number}"})
    names, cursor = [], ""
    while True:
        page = auth.admin("GET", f"/tenants?limit=2&cursor={cursor}").get_json()
        assert len(page["tenants"]) <= 2
        names += [one["tenant"] for one in page["tenants"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == ["demo", *(f"team-{number}" for number in range(5)), "wharf-admin"]


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "limit=-1", "limit=1.5"),
        *("cursor=%00", "cursor=a%0a", "cursor=..", "cursor=" + "x" * 65),
    ],
)
def test_odd_pages_are_malformed(auth: AuthService, query: str) -> None:
    """A malformed `limit` or `cursor` gets 400."""
    assert auth.admin("GET", f"/tenants?{query}").status_code == 400


def test_suspend_and_resume(auth: AuthService) -> None:
    """A repeated suspension or resumption gets 204 as the first does, and changes no state."""
    for _ in range(2):
        assert auth.admin("POST", "/tenants/demo/suspend").status_code == 204
        auth.clock.now += 1
    shown = auth.admin("GET", "/tenants/demo").get_json()
    assert shown["state"] == "suspended"
    assert shown["suspended_at"] is not None
    for _ in range(2):
        assert auth.admin("POST", "/tenants/demo/resume").status_code == 204
    shown = auth.admin("GET", "/tenants/demo").get_json()
    assert (shown["state"], shown["suspended_at"]) == ("active", None)


def test_reserved_tenant_cannot_be_suspended(auth: AuthService) -> None:
    """The reserved tenant cannot be suspended, because then no client could resume it."""
    reply = auth.admin("POST", "/tenants/wharf-admin/suspend")
    assert reply.status_code == 409
    assert reply.get_json()["type"] == "/problems/tenant-reserved"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tenants/absent"),
        ("POST", "/tenants/absent/suspend"),
        ("POST", "/tenants/absent/resume"),
        ("GET", "/tenants/absent/clients"),
        ("DELETE", "/tenants/absent/clients/x"),
        ("DELETE", "/tenants/demo/clients/%00"),
        ("DELETE", "/tenants/demo/clients/..%2f"),
        ("GET", "/tenants/NotAName"),
        ("GET", "/tenants/..%2fdemo"),
        ("GET", "/tenants/demo%0a"),
    ],
)
def test_absent_tenants_are_not_found(auth: AuthService, method: str, path: str) -> None:
    """A request for an absent tenant or client, or one with an impossible name, gets 404."""
    assert auth.admin(method, path).status_code == 404


# Permissions


ROUTES = [
    ("GET", "/auth/v1/tenants"),
    ("POST", "/auth/v1/tenants"),
    ("GET", "/auth/v1/tenants/demo"),
    ("POST", "/auth/v1/tenants/demo/suspend"),
    ("POST", "/auth/v1/tenants/demo/resume"),
    ("GET", "/auth/v1/tenants/demo/clients"),
    ("POST", "/auth/v1/tenants/demo/clients"),
    ("DELETE", "/auth/v1/tenants/demo/clients/wharf-demo"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_needs_a_token(auth: AuthService, method: str, path: str) -> None:
    """Each route refuses a missing token, a damaged token and another audience's token with 401."""
    client = auth.app.test_client()
    demo = auth.post_token().get_json()["access_token"]
    narrow = auth.post_token({"scope": "files:read"}, client="admin").get_json()["access_token"]
    reply = client.open(path, method=method)
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    for token in (demo, narrow, "x", demo[:-2]):
        reply = client.open(path, method=method, headers={"Authorization": f"Bearer {token}"})
        assert reply.status_code == 401, path


def test_scope_is_checked(auth: AuthService) -> None:
    """A token for auth without `tenants:admin` gets 403 from each route."""
    now = int(auth.clock())
    token = KeyRing(auth.settings.keys_directory).sign(
        {
            "iss": auth.settings.issuer,
            "aud": "auth",
            "sub": "wharf-demo",
            "tid": "demo",
            "jti": "1",
            "iat": now,
            "exp": now + 60,
            "scope": "files:read",
        }
    )
    for method, path in ROUTES:
        reply = auth.app.test_client().open(
            path, method=method, headers={"Authorization": f"Bearer {token}"}
        )
        assert reply.status_code == 403
        assert reply.get_json()["required_scope"] == "tenants:admin"


def test_disabled_administrator_is_out_at_once(auth: AuthService) -> None:
    """A disabled administrator's token is refused immediately."""
    assert auth.admin("GET", "/tenants").status_code == 200
    auth.records.disable("wharf-admin", "wharf-admin", 9, act())
    reply = auth.admin("GET", "/tenants")
    assert reply.status_code == 401
    assert reply.get_json()["type"] == "/problems/token-revoked"


def test_requests_are_limited_by_client(auth: AuthService) -> None:
    """A client beyond the limit of requests gets 429 with the seconds to wait."""
    settings = replace(auth.settings, admin_requests_per_minute=3)
    limited = replace(auth, app=create_app(settings, records=auth.records, clock=auth.clock))
    replies = [limited.admin("GET", "/tenants/demo") for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert replies[3].get_json()["type"] == "/problems/quota-exceeded"
    assert 1 <= int(replies[3].headers["Retry-After"]) <= 60
    assert replies[3].headers["RateLimit"].startswith('"client";r=0;t=')
    assert replies[3].headers["RateLimit-Policy"] == '"client";q=3;w=60'
