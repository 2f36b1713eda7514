"""Limits of a tenant as the API reports them, and lists in pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.auth import AuthService
from tests.servers.people import logged_in, person
from wharf_auth.domain.limits import TenantLimits
from wharf_auth.routes.acting import RefusalCount

DEMO = "/tenants/demo"
CLIENT = {"name": "x", "scopes": ["files:read"]}
GRANT = {"bucket": "photos", "prefix": "in/", "actions": ["read"]}


def limit(auth: AuthService, monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    """Set the service's limits of tenants."""
    monkeypatch.setattr(auth.records, "_limits", TenantLimits(**limits))


def refused(reply: Any, status: int, slug: str) -> dict[str, Any]:
    """Check a refusal's status and slug, and return its document."""
    body: dict[str, Any] = reply.get_json()
    assert (reply.status_code, body["type"]) == (status, f"/problems/{slug}"), body
    return body


def test_a_refusal_names_the_limit(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal names the limit of clients, users or bytes of grants, and its number."""
    ada = person(auth)
    limit(auth, monkeypatch, clients=1, users=1, grant_bytes=10)
    for method, path, body, name, most in (
        ("POST", "/clients", CLIENT, "clients", 1),
        ("POST", "/users", {"username": "eve", "role": "viewer"}, "users", 1),
        ("PATCH", f"/users/{ada.id}", {"grants": [GRANT]}, "grant bytes", 10),
        ("PATCH", "/clients/wharf-demo", {"grants": [GRANT]}, "grant bytes", 10),
        ("POST", "/groups", {"name": "x", "grants": [GRANT]}, "grant bytes", 10),
    ):
        told = refused(auth.admin(method, DEMO + path, json=body), 409, "tenant-limit-reached")
        assert (told["limit"], told["limit_count"]) == (name, most)
        assert str(most) in told["detail"]


def test_a_full_share_of_the_feed(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a tenant's part of the feed is full, its logins and revocations get 429."""
    ada = logged_in(auth, "ada", "editor")
    token = auth.post_token().get_json()["access_token"]
    limit(auth, monkeypatch, revocations=1)
    entry = auth.credentials["demo"]

    def revoke(given: str) -> Any:
        login = (entry.client_id, entry.client_secret)
        form = {"token": given}
        return auth.app.test_client().post("/auth/oauth/revoke", data=form, auth=login)

    another = auth.post_token().get_json()["access_token"]
    assert revoke(token).status_code == 200
    reply = revoke(another)
    assert refused(reply, 429, "too-many-revocations")["error"] == "temporarily_unavailable"
    reply = ada.login()
    refused(reply, 429, "too-many-revocations")
    assert int(reply.headers["Retry-After"]) > 0
    assert ada.call("GET", "/me").status_code == 200


def test_another_login_ends_the_oldest_session(
    auth: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login beyond the limit of sessions succeeds and ends the oldest session."""
    ada = logged_in(auth, "ada", "editor")
    first = ada.call("GET", "/me").get_json()["session"]["session_id"]
    limit(auth, monkeypatch, sessions=2)
    for _ in range(2):
        auth.clock.now += 1
        assert ada.login(refresh_token="body").status_code == 200
    found = [one["session_id"] for one in ada.call("GET", "/sessions").get_json()["sessions"]]
    assert len(found) == 2
    assert first not in found


def test_pages_of_large_entries_are_short(
    auth: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of large entries is short but not empty, and its cursor leads to the next entries."""
    monkeypatch.setattr("wharf_auth.routes.tenants.PAGE_BYTES", 700)
    made = set()
    for number in range(5):
        body = {
            **CLIENT,
            "grants": [{**GRANT, "prefix": f"{number}/" + "abcdefgh/" * (22 * number)}],
        }
        made.add(auth.admin("POST", f"{DEMO}/clients", json=body).get_json()["client_id"])
    found: list[str] = []
    lengths = []
    page: dict[str, Any] = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        reply = auth.admin("GET", f"{DEMO}/clients?limit=9&cursor={page['next_cursor']}")
        page = reply.get_json()
        lengths.append(len(page["clients"]))
        found += [one["client_id"] for one in page["clients"]]
    assert sorted(found) == sorted({*made, "wharf-demo"})
    assert lengths[-1] == 1
    assert lengths[0] > 1


def test_refusals_do_not_fill_the_audit_log(auth: AuthService) -> None:
    """The audit log has at most 100 refusals of each tenant in an hour."""
    counted = RefusalCount(auth.clock, most=2)
    assert [counted.has_room("acme") for _ in range(4)] == [True, True, False, False]
    assert counted.has_room("other")
    auth.clock.now += 3600
    assert counted.has_room("acme")
    for _ in range(102):
        auth.admin("DELETE", "/tenants/absent")
    lines = auth.records.audit(after=0, limit=1000, tenant="wharf-admin")
    assert sum(line.act.outcome == "not-found" for line in lines) == 100


def test_old_lines_go_while_the_feed_is_asked_for(auth: AuthService) -> None:
    """A request for the feed removes audit lines that are older than the setting allows."""
    auth.admin("POST", "/tenants", json={"tenant": "acme"})
    auth.clock.now += 86_400 * (auth.settings.audit_retention_days + 1)
    reply = auth.app.test_client().get(
        "/auth/internal/feed", environ_overrides={"WHARF_INTERNAL": "1"}
    )
    assert reply.status_code == 200
    assert auth.records.audit(after=0, limit=9) == []


def test_many_members_count_as_many_requests(auth: AuthService) -> None:
    """A change of 1,000 members counts as many requests in the limit of requests per minute."""
    group = auth.admin("POST", f"{DEMO}/groups", json={"name": "x"}).get_json()["group_id"]
    body = {"remove": [f"{number}" for number in range(1000)]}
    path = f"{DEMO}/groups/{group}/members"
    outcomes = [auth.admin("POST", path, json=body).status_code for _ in range(14)]
    assert outcomes[:6] == [204] * 6
    assert 429 in outcomes
