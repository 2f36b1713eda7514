"""`GET /auth/v1/audit`: the log of administrative acts, and the callers that may read the log."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.auth import AuthService
from tests.servers.people import logged_in


def lines(auth: AuthService, query: str = "") -> list[dict[str, Any]]:
    reply = auth.admin("GET", f"/audit{query}")
    assert reply.status_code == 200
    found: list[dict[str, Any]] = reply.get_json()["acts"]
    return found


def test_an_act_says_who_what_when_and_from_where(auth: AuthService) -> None:
    """A suspension writes a line with the client, the address and the request id of its request."""
    auth.admin("POST", "/tenants", json={"tenant": "acme"})
    before = lines(auth)[-1]["seq"]
    reply = auth.admin(
        "POST", "/tenants/acme/suspend", environ_overrides={"REMOTE_ADDR": "203.0.113.7"}
    )
    (line,) = lines(auth, f"?after={before}")
    assert line.pop("at").endswith("Z")
    assert line == {
        "seq": before + 1,
        "actor": "wharf-admin",
        "actor_tenant": "wharf-admin",
        "address": "203.0.113.7",
        "request_id": reply.headers["X-Request-Id"],
        "act": "tenants.suspend",
        "tenant": "acme",
        "about": "acme",
        "outcome": "done",
    }


def test_each_administrative_route_leaves_its_line(auth: AuthService) -> None:
    """Each administrative route writes one line, from a tenant's creation to its deletion."""
    auth.admin("POST", "/tenants", json={"tenant": "acme"})
    made = auth.admin(
        "POST", "/tenants/acme/clients", json={"name": "x", "scopes": ["files:read"]}
    ).get_json()
    auth.admin("PATCH", "/tenants/acme", json={"display_name": "Acme & Co"})
    auth.admin("DELETE", f"/tenants/acme/clients/{made['client_id']}")
    auth.admin("POST", "/tenants/acme/suspend")
    auth.admin("POST", "/tenants/acme/resume")
    auth.admin("DELETE", "/tenants/acme")
    assert [(one["act"], one["about"]) for one in lines(auth, "?tenant=acme")] == [
        ("tenants.create", "acme"),
        ("clients.create", made["client_id"]),
        ("tenants.rename", "acme"),
        ("clients.disable", made["client_id"]),
        ("tenants.suspend", "acme"),
        ("tenants.resume", "acme"),
        ("tenants.delete", "acme"),
    ]


@pytest.mark.parametrize(
    ("method", "path", "outcome", "about"),
    [
        ("POST", "/tenants/absent/suspend", "not-found", "absent"),
        ("DELETE", "/tenants/wharf-admin", "tenant-reserved", "wharf-admin"),
        ("DELETE", "/tenants/demo/clients/absent", "not-found", "demo/absent"),
        ("DELETE", "/tenants/wharf-admin/clients/absent", "not-found", "absent"),
    ],
)
def test_refused_acts_are_noted_with_their_reason(
    auth: AuthService, method: str, path: str, outcome: str, about: str
) -> None:
    """A refused act writes a line with the actor and the reason."""
    auth.admin(method, path)
    line = lines(auth)[-1]
    assert (line["outcome"], line["about"], line["actor"]) == (outcome, about, "wharf-admin")
    assert line["tenant"] == line["actor_tenant"] == "wharf-admin"


def test_strangers_write_nothing_into_the_log_of_a_tenant(auth: AuthService) -> None:
    """An owner's refused act on another tenant is logged for the owner's tenant only.

    The line names the tenant and client as sent, so existing and absent ids look alike.
    """
    ada = logged_in(auth, role="owner")
    auth.admin("POST", "/tenants", json={"tenant": "other"})
    made = auth.admin(
        "POST", "/tenants/other/clients", json={"name": "secret", "scopes": ["files:read"]}
    ).get_json()["client_id"]
    before = lines(auth, "?tenant=other")
    last = lines(auth)[-1]["seq"]
    for client in (made, "absent"):
        for tenant in ("other", "nowhere"):
            assert ada.call("DELETE", f"/v1/tenants/{tenant}/clients/{client}").status_code == 404
    assert lines(auth, "?tenant=other") == before
    assert lines(auth, "?tenant=nowhere") == []
    noted = lines(auth, f"?after={last}")
    assert {(one["tenant"], one["act"], one["outcome"]) for one in noted} == {
        ("demo", "clients.disable", "not-found")
    }
    named = [f"other/{made}", f"nowhere/{made}", "other/absent", "nowhere/absent"]
    assert [one["about"] for one in noted] == named


def test_reading_and_strangers_leave_no_line(auth: AuthService) -> None:
    """A `GET` request writes no line, and a request without a valid token writes no line."""
    before = lines(auth)
    auth.admin("GET", "/tenants/absent")
    client = auth.app.test_client()
    for headers in ({}, {"Authorization": "Bearer x"}):
        assert client.delete("/auth/v1/tenants/demo", headers=headers).status_code == 401
    assert lines(auth) == before


def test_pages_go_on_where_they_ended(auth: AuthService) -> None:
    """Each page begins after the last line of the previous page; the last has no `next_after`."""
    for number in range(5):
        auth.admin("POST", "/tenants", json={"tenant": f"team-{number}"})
    every = lines(auth)
    got: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = auth.admin("GET", f"/audit?limit=3&after={after}").get_json()
        assert len(page["acts"]) <= 3
        got += page["acts"]
        after = page["next_after"]
    assert got == every


def test_the_newest_first(auth: AuthService) -> None:
    """Pages with `order=newest` begin with the newest line. `before` without this order, `after`
    with this order, and an unknown order get 400.
    """
    for number in range(5):
        auth.admin("POST", "/tenants", json={"tenant": f"team-{number}"})
    every = lines(auth)
    got: list[dict[str, Any]] = []
    query = "order=newest&limit=3"
    while query:
        page = auth.admin("GET", f"/audit?{query}").get_json()
        assert len(page["acts"]) <= 3
        assert page["next_after"] is None
        got += page["acts"]
        before = page["next_before"]
        query = f"order=newest&limit=3&before={before}" if before is not None else ""
    assert got == every[::-1]
    for query in ("before=3", "order=newest&after=3", "order=latest"):
        assert auth.admin("GET", f"/audit?{query}").status_code == 400, query


def test_owners_read_about_their_own_tenant_only(auth: AuthService) -> None:
    """An owner reads the lines of its own tenant and gets 404 for another's; an editor gets 403."""
    ada, bob = logged_in(auth, role="owner"), logged_in(auth, "bob")
    auth.admin("POST", "/tenants", json={"tenant": "other"})
    reply = ada.call("GET", "/v1/audit")
    assert reply.status_code == 200
    assert {one["tenant"] for one in reply.get_json()["acts"]} == {"demo"}
    assert ada.call("GET", "/v1/audit?tenant=demo").get_json() == reply.get_json()
    for tenant in ("other", "absent"):
        assert ada.call("GET", f"/v1/audit?tenant={tenant}").status_code == 404
    assert bob.call("GET", "/v1/audit").status_code == 403


@pytest.mark.parametrize("query", ["?after=-1", "?limit=0", "?limit=1001", "?tenant=A", "?tenant="])
def test_nonsense_is_malformed(auth: AuthService, query: str) -> None:
    """The service refuses a malformed parameter with 400."""
    assert auth.admin("GET", f"/audit{query}").status_code == 400


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_there_is_no_way_to_change_it(auth: AuthService, method: str) -> None:
    """The audit log refuses each writing method with 405."""
    assert auth.admin(method, "/audit").status_code == 405
