"""A group of 10,000 members takes one entry of the feed, and gives each member its grants."""

from __future__ import annotations

from typing import Any

import msgspec

from servicekit.database import open_database
from servicekit.reaches import KnownReaches, ReachChange
from servicekit.revocations import Feed, Revocation, page_of
from servicekit.tokens import Principal
from tests.servers.auth import AuthService

MEMBERS = 10_000
GROUPS = "/tenants/demo/groups"
READS = [{"bucket": "photos", "prefix": "u/{user_id}/", "actions": ["read"]}]
WRITES = [{"bucket": "photos", "prefix": "u/{user_id}/", "actions": ["write"]}]


def feed(auth: AuthService) -> Feed:
    reply = auth.app.test_client().get(
        "/auth/internal/feed", environ_overrides={"WHARF_INTERNAL": "1"}
    )
    return page_of(reply.get_data())


def made(auth: AuthService, name: str) -> str:
    """Create a group that lets its members read, and return its id."""
    reply = auth.admin("POST", GROUPS, json={"name": name, "grants": READS})
    assert reply.status_code == 201, reply.text
    return str(reply.get_json()["group_id"])


def fill(auth: AuthService, group: str) -> None:
    """Add 10,000 users to the group in the database, because the API would take hours."""
    database = open_database(auth.settings.effective_database_url)
    with database.transaction() as connection:
        for number in range(MEMBERS):
            connection.execute(
                "INSERT INTO group_members (member_group, subject, tenant, kind) "
                "VALUES (?, ?, 'demo', 'user')",
                (group, f"u{number}"),
            )
    database.close()


def heard(page: Feed) -> KnownReaches:
    """Return the reaches that a service knows after it has read the whole feed."""
    known = KnownReaches()
    for entry in page.entries:
        known.take(entry.kind, entry.tenant, entry.id, entry.reach or ReachChange(entry.at))
    return known


def allowed(known: KnownReaches, group: str, number: int, action: Any) -> bool:
    """Tell whether a member may act in its folder, by the feed and a token with the group's id."""
    claim: dict[str, Any] = {
        "v": 1,
        "own": [],
        "s": "files:read",
        "u": "a",
        "g": [[group, 1, "", None]],
    }
    principal = msgspec.convert(
        {
            "tenant": "demo",
            "subject": f"u{number}",
            "scopes": ["files:read"],
            "token_id": "t",
            "expires_at": 1,
            "grants": claim,
        },
        Principal,
    )
    return known.resolve(principal).reach.allows(action, "photos", f"u/u{number}/x")


def only(page: Feed, group: str) -> Revocation:
    """Return the only entry of the feed."""
    (entry,) = page.entries
    assert (entry.kind, entry.id, entry.state) == ("group", group, "changed")
    return entry


def test_a_group_of_ten_thousand_is_one_entry(auth: AuthService) -> None:
    """A large group has one entry in the feed, without members, even after its deletion."""
    group = made(auth, "everybody")
    fill(auth, group)
    first = only(feed(auth), group)
    assert auth.admin("PATCH", f"{GROUPS}/{group}", json={"grants": WRITES}).status_code == 200
    page = feed(auth)
    entry = only(page, group)
    assert entry.seq > first.seq
    assert entry.until is None
    assert len(msgspec.json.encode(page)) < 500
    for number in (0, MEMBERS - 1):
        assert allowed(heard(page), group, number, "write")
        assert not allowed(heard(page), group, number, "read")
    assert auth.admin("DELETE", f"{GROUPS}/{group}").status_code == 204
    gone = only(feed(auth), group)
    assert gone.until is not None
    assert not allowed(heard(feed(auth)), group, 0, "write")


def test_a_member_of_ten_thousand_is_one_entry(auth: AuthService) -> None:
    """A member that joins or leaves a large group adds one entry, which names this member alone."""
    group = made(auth, "everybody")
    fill(auth, group)
    wanted = {"name": "member", "scopes": ["files:read"]}
    client = auth.admin("POST", "/tenants/demo/clients", json=wanted).get_json()["client_id"]
    path = f"{GROUPS}/{group}/members/{client}"
    for method in ("PUT", "DELETE"):
        assert auth.admin(method, path).status_code < 300
        _, entry = feed(auth).entries
        assert (entry.kind, entry.id) == ("reach", client)
        assert entry.reach is not None
        assert entry.reach.groups == ((group,) if method == "PUT" else ())
