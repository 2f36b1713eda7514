"""`GET /auth/internal/feed`: the feed on the internal port. A request also runs housekeeping."""

from __future__ import annotations

from dataclasses import replace

import pytest
from werkzeug.test import TestResponse

from servicekit.revocations import Feed, page_of
from tests.servers.auth import AuthService
from wharf_auth.app import create_app

FEED = "/auth/internal/feed"
INTERNAL = {"WHARF_INTERNAL": "1"}


def get(auth: AuthService, query: str = "") -> TestResponse:
    return auth.app.test_client().get(FEED + query, environ_overrides=INTERNAL)


def feed(auth: AuthService, query: str = "") -> Feed:
    reply = get(auth, query)
    assert reply.status_code == 200
    return page_of(reply.get_data())


def states(auth: AuthService) -> list[tuple[str, str]]:
    return [(one.tenant, one.state) for one in feed(auth).entries]


def test_only_the_gateway_opens_it(auth: AuthService) -> None:
    """A client gets 404 for the feed, with any header field, even with an administrator's token."""
    client = auth.app.test_client()
    for headers in ({}, {"WHARF_INTERNAL": "1", "Wharf-Internal": "1"}):
        assert client.get(FEED, headers=headers).status_code == 404
    token = auth.post_token(client="admin").get_json()["access_token"]
    reply = client.get(FEED, headers={"Authorization": f"Bearer {token}"})
    assert reply.status_code == 404


def test_a_follower_reads_in_pages(auth: AuthService) -> None:
    """A follower reads pages by `after` and `limit`; no cache may store a page."""
    for name in ("aaa", "bbb", "ccc"):
        auth.admin("POST", "/tenants", json={"tenant": name})
        auth.admin("POST", f"/tenants/{name}/suspend")
    first = feed(auth, "?after=0&limit=2")
    assert [one.tenant for one in first.entries] == ["aaa", "bbb"]
    assert first.latest == 3
    assert [one.tenant for one in feed(auth, "?after=2").entries] == ["ccc"]
    assert feed(auth, "?after=3").entries == ()
    assert get(auth).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "query", ["?after=-1", "?limit=0", "?limit=1001", "?after=x", "?after=1&after=2"]
)
def test_nonsense_is_malformed(auth: AuthService, query: str) -> None:
    """The feed refuses a malformed parameter with 400."""
    assert get(auth, query).status_code == 400


def test_disabling_a_client_is_told(auth: AuthService) -> None:
    """The entry of a disabled client stays until the last token of the client has expired."""
    made = auth.admin(
        "POST", "/tenants/demo/clients", json={"name": "x", "scopes": ["files:read"]}
    ).get_json()
    auth.admin("DELETE", f"/tenants/demo/clients/{made['client_id']}")
    entry, reach = feed(auth).entries
    assert (entry.kind, entry.tenant, entry.id) == ("subject", "demo", made["client_id"])
    assert entry.until is not None
    assert entry.until >= auth.clock() + 24 * 3600 + 60
    auth.clock.now += 25 * 3600
    assert feed(auth).entries == (reach,)


def test_deletion_ends_in_a_purge(auth: AuthService) -> None:
    """A deleted tenant is in the feed immediately, and is purged after its grace period."""
    settings = replace(auth.settings, tenant_grace_seconds=3600)
    app = create_app(settings, records=auth.records, clock=auth.clock)
    short = replace(auth, app=app)
    reply = short.admin("DELETE", "/tenants/demo")
    assert reply.status_code == 200
    assert reply.get_json()["state"] == "deleted"
    assert states(short) == [("demo", "deleted")]
    short.clock.now += 3599
    assert states(short) == [("demo", "deleted")]
    short.clock.now += 6
    assert states(short) == [("demo", "purged")]
    (last,) = auth.records.audit(after=0, limit=99)[-1:]
    assert (last.act.act, last.act.tenant, last.act.by.id) == ("tenants.purge", "demo", "service")


def test_housekeeping_that_fails_does_not_stop_the_feed(
    auth: AuthService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While the housekeeping fails, the feed still responds, and the failure is logged once."""

    def fail(*_: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(type(auth.records), "prune_feed", fail)
    for _ in range(3):
        assert feed(auth).latest == 0
        auth.clock.now += 10
    assert caplog.text.count("housekeeping failed") == 1
