"""`/auth/v1/tenants/{tenant}/groups`: the API that manages groups."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.auth import AuthService
from tests.servers.people import logged_in, person

GROUPS = "/tenants/demo/groups"
AUDITED = {"bucket": "documents", "prefix": "", "actions": ["read", "list"]}
AUDITORS = {"name": "Auditors", "scopes": ["files:read"], "grants": [AUDITED]}


def create(auth: AuthService, **members: Any) -> Any:
    """Create a group, and return the response's document."""
    reply = auth.admin("POST", GROUPS, json={**AUDITORS, **members})
    assert reply.status_code == 201, reply.get_json()
    return reply.get_json()


def client(auth: AuthService, name: str = "importer", tenant: str = "demo") -> str:
    """Create a client, and return its id."""
    body = {"name": name, "scopes": ["files:read"]}
    made = auth.admin("POST", f"/tenants/{tenant}/clients", json=body).get_json()
    return str(made["client_id"])


def members(auth: AuthService, group: str) -> list[str]:
    """Return the ids of a group's members."""
    found = auth.admin("GET", f"{GROUPS}/{group}/members").get_json()["members"]
    return [one["subject"] for one in found]


def test_create_read_change_delete(auth: AuthService) -> None:
    """A group can be read, changed in single fields and deleted; a deleted group gets 404."""
    made = create(auth)
    assert set(made) == {
        *("group_id", "tenant", "name", "scopes", "grants", "members", "created_at"),
    }
    assert {name: made[name] for name in AUDITORS} == AUDITORS
    assert (made["tenant"], made["members"]) == ("demo", 0)
    path = f"{GROUPS}/{made['group_id']}"
    assert auth.admin("GET", path).get_json() == made
    changed = auth.admin("PATCH", path, json={"grants": None}).get_json()
    assert changed == {**made, "grants": None}
    changed = auth.admin("PATCH", path, json={"name": "Audit", "scopes": []}).get_json()
    assert changed == {**made, "name": "Audit", "scopes": [], "grants": None}
    assert auth.admin("DELETE", path).status_code == 204
    for method in ("GET", "DELETE", "PATCH"):
        assert auth.admin(method, path, json={}).status_code == 404
    acts = [line.act.act for line in auth.records.audit(after=0, limit=1000)]
    assert {"groups.create", "groups.delete"} <= set(acts)


def test_new_group_gives_nothing(auth: AuthService) -> None:
    """A new group has grants and scopes only if the request names them."""
    reply = auth.admin("POST", GROUPS, json={"name": "staff"})
    assert (reply.get_json()["grants"], reply.get_json()["scopes"]) == ([], [])


def test_names_are_unique_whatever_their_case(auth: AuthService) -> None:
    """Creating or renaming a group gets 409 if the tenant has the name, in any case of letters."""
    create(auth, name="Straße")
    other = create(auth, name="Other")
    for name in ("STRASSE", "straße", "\uff33traße"):
        for method, path in (("POST", GROUPS), ("PATCH", f"{GROUPS}/{other['group_id']}")):
            reply = auth.admin(method, path, json={"name": name})
            assert reply.status_code == 409
            assert reply.get_json()["type"] == "/problems/group-exists"
    auth.admin("POST", "/tenants", json={"tenant": "acme"})
    assert auth.admin("POST", "/tenants/acme/groups", json={"name": "Straße"}).status_code == 201
    again = auth.admin("PATCH", f"{GROUPS}/{other['group_id']}", json={"name": "OTHER"})
    assert again.get_json()["name"] == "OTHER"


def test_odd_groups_are_refused(auth: AuthService) -> None:
    """A group without a valid name, or with a field that callers cannot set, gets 422."""
    for body in (
        *({"name": name} for name in ("", " ", "a\nb", "x" * 201, 1, None)),
        {},
        {"name": "x", "scopes": "files:read"},
        {"name": "x", "members": []},
        {"name": "x", "group_id": "mine"},
        {"name": "x", "tenant": "acme"},
    ):
        assert auth.admin("POST", GROUPS, json=body).status_code == 422, body
    assert auth.admin("GET", GROUPS).get_json()["groups"] == []
    assert auth.admin("POST", "/tenants/absent/groups", json=AUDITORS).status_code == 404
    assert auth.admin("GET", "/tenants/absent/groups").status_code == 404


def test_list_goes_page_by_page(auth: AuthService) -> None:
    """The list of groups has pages, with all groups of the tenant, oldest first."""
    made = [create(auth, name=f"group {number}")["group_id"] for number in range(5)]
    auth.admin("POST", "/tenants", json={"tenant": "acme"})
    auth.admin("POST", "/tenants/acme/groups", json=AUDITORS)
    found: list[str] = []
    page: dict[str, Any] = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        page = auth.admin("GET", f"{GROUPS}?limit=2&cursor={page['next_cursor']}").get_json()
        found += [one["group_id"] for one in page["groups"]]
    assert found == made


def test_members_come_and_go(auth: AuthService) -> None:
    """Users and clients join and leave a group; both the group and its members show the change."""
    made = create(auth)
    path = f"{GROUPS}/{made['group_id']}/members"
    ada, importer = person(auth), client(auth)
    for _ in range(2):
        for subject in (ada.id, importer):
            assert auth.admin("PUT", f"{path}/{subject}").status_code == 204
    page = auth.admin("GET", path).get_json()
    assert sorted(page["members"], key=lambda one: one["name"]) == [
        {"subject": ada.id, "kind": "user", "name": "ada"},
        {"subject": importer, "kind": "client", "name": "importer"},
    ]
    assert page["next_cursor"] is None
    assert auth.admin("GET", f"{GROUPS}/{made['group_id']}").get_json()["members"] == 2
    assert auth.admin("GET", GROUPS).get_json()["groups"][0]["members"] == 2
    named = [{"group_id": made["group_id"], "name": "Auditors"}]
    for kind, subject in (("users", ada.id), ("clients", importer)):
        assert auth.admin("GET", f"/tenants/demo/{kind}/{subject}").get_json()["groups"] == named
        listed = auth.admin("GET", f"/tenants/demo/{kind}").get_json()[kind]
        shown = {one[f"{kind[:-1]}_id"]: one["groups"] for one in listed}
        assert shown.pop(subject) == named
        assert not any(shown.values())
    for _ in range(2):
        assert auth.admin("DELETE", f"{path}/{ada.id}").status_code == 204
    assert members(auth, made["group_id"]) == [importer]


def test_members_are_listed_page_by_page(auth: AuthService) -> None:
    """The pages of a group's members contain each member once."""
    group = create(auth)["group_id"]
    people = sorted(client(auth, f"c{number}") for number in range(5))
    reply = auth.admin("POST", f"{GROUPS}/{group}/members", json={"add": people})
    assert reply.status_code == 204
    found: list[str] = []
    page: dict[str, Any] = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        query = f"limit=2&cursor={page['next_cursor']}"
        page = auth.admin("GET", f"{GROUPS}/{group}/members?{query}").get_json()
        found += [one["subject"] for one in page["members"]]
    assert found == people


def test_members_change_together_or_not_at_all(auth: AuthService) -> None:
    """A change of members with one unknown id, or an id of another tenant, changes nothing."""
    group = create(auth)["group_id"]
    path = f"{GROUPS}/{group}/members"
    first, second = client(auth, "first"), client(auth, "second")
    assert auth.admin("POST", path, json={"add": [first]}).status_code == 204
    stranger = client(auth, "stranger", "wharf-admin")
    for unknown in ("absent", stranger, group):
        reply = auth.admin("POST", path, json={"add": [second, unknown], "remove": [first]})
        assert reply.status_code in {404, 422}
        assert unknown in reply.get_json()["detail"]
        assert members(auth, group) == [first]
        assert auth.admin("PUT", f"{path}/{unknown}").status_code == 404
    swapped = auth.admin("POST", path, json={"add": [second], "remove": [first, "absent"]})
    assert swapped.status_code == 204
    assert members(auth, group) == [second]
    odd: tuple[Any, ...] = ({"add": ["x"] * 1001}, {"add": "x"}, {"add": [1]}, {"surplus": []})
    for body in odd:
        assert auth.admin("POST", path, json=body).status_code == 422
    both = auth.admin("POST", path, json={"add": [first], "remove": [first]})
    assert both.status_code == 422
    assert first in both.get_json()["detail"]


def test_nobody_is_in_more_than_sixteen_groups(auth: AuthService) -> None:
    """A request that adds a member to its seventeenth group gets 409 with the member's id."""
    groups = [create(auth, name=f"group {number}")["group_id"] for number in range(17)]
    importer = client(auth)
    for group in groups[:16]:
        assert auth.admin("PUT", f"{GROUPS}/{group}/members/{importer}").status_code == 204
    last = f"{GROUPS}/{groups[16]}/members"
    for reply in (
        auth.admin("PUT", f"{last}/{importer}"),
        auth.admin("POST", last, json={"add": [importer]}),
    ):
        assert reply.status_code == 409
        assert reply.get_json()["type"] == "/problems/too-many-groups"
        assert importer in reply.get_json()["detail"]
    assert auth.admin("DELETE", f"{GROUPS}/{groups[0]}").status_code == 204
    assert auth.admin("PUT", f"{last}/{importer}").status_code == 204


def test_a_tenant_has_so_many_groups(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group beyond the tenant's limit gets 409; the deletion of a group frees a place."""
    monkeypatch.setattr("wharf_auth.database.groups.MAX_GROUPS_OF_TENANT", 2)
    auth.admin("POST", "/tenants", json={"tenant": "acme"})
    auth.admin("POST", "/tenants/acme/groups", json=AUDITORS)
    first = create(auth, name="first")
    create(auth, name="second")
    reply = auth.admin("POST", GROUPS, json={"name": "third"})
    assert (reply.status_code, reply.get_json()["type"]) == (409, "/problems/too-many-groups")
    assert auth.admin("DELETE", f"{GROUPS}/{first['group_id']}").status_code == 204
    create(auth, name="third")


def test_groups_are_for_owners_of_the_tenant(auth: AuthService) -> None:
    """An owner manages groups of its own tenant; another tenant's group gets 404, an editor 403."""
    owner, editor = logged_in(auth, "grace", "owner"), logged_in(auth, "ada", "editor")
    reply = owner.manage("POST", "/groups", json=AUDITORS)
    assert reply.status_code == 201
    path = f"/groups/{reply.get_json()['group_id']}"
    assert owner.manage("PUT", f"{path}/members/{editor.id}").status_code == 204
    assert owner.manage("GET", f"{path}/members").status_code == 200
    for method, at in (("GET", path), ("PUT", f"{path}/members/{editor.id}"), ("GET", "/groups")):
        assert editor.manage(method, at).status_code == 403
    stranger = logged_in(auth, "eve", "owner", "acme")
    assert stranger.call("GET", f"/v1/tenants/demo{path}").status_code == 404
    assert stranger.manage("GET", path).status_code == 404
    assert stranger.manage("PUT", f"{path}/members/{stranger.id}").status_code == 404
