"""Each request that can set grants refuses a bad grant, and names the entry and the reason."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.auth import AuthService

CLIENTS, USERS, GROUPS = (f"/tenants/demo/{kind}" for kind in ("clients", "users", "groups"))
GOOD = {"bucket": "photos", "prefix": "inbox/", "actions": ["read"]}
COMBINED = "cafe\u0301/"  # an "e" and a combining accent, for which NFC has a single character


def grant(**members: Any) -> dict[str, Any]:
    """Return a valid grant in which the given members replace the usual ones."""
    return {**GOOD, **members}


#: Each bad grant, and the text that the refusal contains.
BAD: list[tuple[object, str]] = [
    (grant(prefix="../"), '".."'),
    (grant(prefix="users/../"), '".."'),
    (grant(prefix="/inbox/"), "is empty"),
    (grant(prefix="a//b"), "is empty"),
    (grant(prefix=COMBINED), "NFC"),
    (grant(prefix="a\u202eb"), "U+202E"),
    (grant(prefix="a\0"), "U+0000"),
    (grant(prefix="x" * 256 + "/"), "longer than 255 bytes"),
    (grant(prefix="x/" * 513), "longer than 1024 bytes"),
    (grant(prefix=1), "Expected `str`"),
    (grant(actions=["fly"]), "fly"),
    (grant(actions=["read", "READ"]), "READ"),
    (grant(actions=[]), "It allows no action"),
    (grant(actions="read"), "Expected `array`"),
    ({"bucket": "photos"}, "`actions`"),
    ({"actions": ["read"]}, "`bucket`"),
    (grant(bucket="Photos"), "bucket name"),
    (grant(bucket=""), "bucket name"),
    (grant(bucket="photos/inbox"), "bucket name"),
    (grant(bucket="**"), "bucket name"),
    (grant(effect="deny"), "effect"),
    (grant(prefix="{user}/"), "'{user}' is no placeholder"),
    (grant(prefix="{}/"), "'{}' is no placeholder"),
    (grant(prefix="{USER_ID}/"), "is no placeholder"),
    (grant(prefix="{user_id/"), "'{' is no placeholder"),
    (grant(prefix="user_id}/"), "'}' is no placeholder"),
    (grant(prefix="{{user_id}}/"), "is no placeholder"),
    (grant(prefix="{username}"), "a slash"),
    (grant(prefix="{username}-old/"), "a slash"),
    ("read:photos/inbox/", "Expected `object`"),
    (None, "Expected `object`"),
]


@pytest.fixture
def places(auth: AuthService) -> list[tuple[str, str, dict[str, Any]]]:
    """Return each request that can set grants: method, path and a body without grants."""
    client = {"name": "x", "scopes": ["files:read"]}
    user = {"username": "ada", "role": "editor", "password": "correct horse battery"}
    places: list[tuple[str, str, dict[str, Any]]] = []
    for path, body, name in (
        (CLIENTS, client, "client_id"),
        (USERS, user, "user_id"),
        (GROUPS, {"name": "staff"}, "group_id"),
    ):
        made = auth.admin("POST", path, json=body)
        assert made.status_code == 201, made.get_json()
        other = {**body, "username": "eve"} if "username" in body else {**body, "name": "y"}
        places.append(("POST", path, other))
        places.append(("PATCH", f"{path}/{made.get_json()[name]}", {}))
    return places


def refusal(auth: AuthService, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send grants that must be refused with 422, and return the problem document."""
    reply = auth.admin(method, path, json=body)
    document: dict[str, Any] = reply.get_json()
    assert reply.status_code == 422, (method, path, body, document)
    assert document["type"] == "/problems/unprocessable"
    return document


def test_entry_and_reason_are_named(
    auth: AuthService, places: list[tuple[str, str, dict[str, Any]]]
) -> None:
    """A bad grant is refused with its index and the reason, and the request sets nothing."""
    for wrong, reason in BAD:
        for method, path, body in places:
            told = refusal(auth, method, path, {**body, "grants": [GOOD, GOOD, wrong]})["detail"]
            assert "grants[2]" in told, (wrong, told)
            assert reason in told, (wrong, told)
    for path, name in ((CLIENTS, "clients"), (USERS, "users"), (GROUPS, "groups")):
        for one in auth.admin("GET", path).get_json()[name]:
            assert one["grants"] == ([] if name == "groups" else None)


def test_too_many_grants(auth: AuthService, places: list[tuple[str, str, dict[str, Any]]]) -> None:
    """The service accepts 100 grants, and refuses 101, 1,000, or grants of over 16,384 bytes."""
    whole = grant(prefix="users/{client}/", actions=["read", "write", "delete", "list"])
    for method, path, body in places:
        for count in (101, 1000):
            told = refusal(auth, method, path, {**body, "grants": [whole] * count})["detail"]
            assert f"There are {count} grants" in told
        long = [grant(prefix=f"{number:03}/" + "x" * 200) for number in range(100)]
        assert "16384 bytes" in refusal(auth, method, path, {**body, "grants": long})["detail"]
    hundred = [grant(prefix=f"{number:03}/") for number in range(100)]
    body = {"name": "y", "scopes": ["files:read"], "grants": hundred}
    assert auth.admin("POST", CLIENTS, json=body).get_json()["grants"] == hundred


def test_lists_that_are_none(
    auth: AuthService, places: list[tuple[str, str, dict[str, Any]]]
) -> None:
    """The service refuses `grants` that are not an array, and JSON text with a lone surrogate."""
    for method, path, body in places:
        wrongs: tuple[object, ...] = ({}, "read:*", 1, True)
        for wrong in wrongs:
            assert "grants" in refusal(auth, method, path, {**body, "grants": wrong})["detail"]
    raw = b'{"grants": [{"bucket": "photos", "prefix": "\\ud800", "actions": ["read"]}]}'
    reply = auth.admin("PATCH", places[1][1], data=raw, content_type="application/json")
    assert reply.status_code in {400, 422}


def test_prefix_that_is_too_long_when_filled_in(auth: AuthService) -> None:
    """A prefix of 1,018 bytes is refused when the client's id makes it longer than 1,024 bytes."""
    fits, long = ("x/" * count + "{client}/" for count in (495, 504))
    body = {"name": "x", "scopes": ["files:read"]}
    told = refusal(auth, "POST", CLIENTS, {**body, "grants": [GOOD, grant(prefix=long)]})
    assert told["detail"].startswith("grants[1]: ")
    assert "1024 bytes" in told["detail"]
    assert told["index"] == 1
    reply = auth.admin("POST", CLIENTS, json={**body, "grants": [grant(prefix=fits)]})
    assert reply.status_code == 201
    path = f"{CLIENTS}/{reply.get_json()['client_id']}"
    assert "1024 bytes" in refusal(auth, "PATCH", path, {"grants": [grant(prefix=long)]})["detail"]
    group = refusal(auth, "POST", GROUPS, {"name": "x", "grants": [grant(prefix=long)]})
    assert group["detail"].startswith("grants[0]: ")


def test_user_name_that_is_no_segment(auth: AuthService) -> None:
    """A user name of 254 characters and 762 bytes is valid, but cannot replace `{username}`."""
    user = {"username": "李" * 254, "display_name": "李", "role": "editor"}
    body = {**user, "password": "correct horse battery"}
    own = [grant(prefix="home/{username}/")]
    told = refusal(auth, "POST", USERS, {**body, "grants": own})["detail"]
    assert told.startswith("grants[0]: ")
    assert "255 bytes" in told
    made = auth.admin("POST", USERS, json=body).get_json()
    assert (
        "255 bytes"
        in refusal(auth, "PATCH", f"{USERS}/{made['user_id']}", {"grants": own})["detail"]
    )


def test_member_whose_name_is_no_segment(auth: AuthService) -> None:
    """A user cannot join a group whose prefix the user's name would make too long."""
    user = {"username": "李" * 254, "display_name": "李", "role": "editor"}
    made = auth.admin("POST", USERS, json={**user, "password": "correct horse battery"}).get_json()
    homes = [GOOD, grant(prefix="home/{username}/")]
    group = auth.admin("POST", GROUPS, json={"name": "x", "grants": homes}).get_json()["group_id"]
    member = f"{GROUPS}/{group}/members/{made['user_id']}"
    for method, path, body in (
        ("PUT", member, {}),
        ("POST", f"{GROUPS}/{group}/members", {"add": [made["user_id"]]}),
    ):
        document = refusal(auth, method, path, body)
        assert document["detail"].startswith("grants[1]: ")
        assert made["user_id"] in document["detail"]
        assert document["index"] == 1
    assert auth.admin("PATCH", f"{GROUPS}/{group}", json={"grants": []}).status_code == 200
    assert auth.admin("PUT", member).status_code == 204
    assert "255 bytes" in refusal(auth, "PATCH", f"{GROUPS}/{group}", {"grants": homes})["detail"]


def test_placeholders_of_others(auth: AuthService) -> None:
    """Clients and users have different placeholders; a group's grants may have all of them."""
    client = {"name": "x", "scopes": ["files:read"]}
    user = {"username": "ada", "role": "editor", "password": "correct horse battery"}
    for path, body, placeholder, whose in (
        (CLIENTS, client, "{user_id}", "A client has no {user_id}."),
        (CLIENTS, client, "{username}", "A client has no {username}."),
        (USERS, user, "{client}", "A person has no {client}."),
    ):
        told = refusal(auth, "POST", path, {**body, "grants": [grant(prefix=placeholder + "/")]})
        assert told["detail"] == f"grants[0]: {whose}"
        assert told["index"] == 0
    all_three = [grant(prefix=f"{{{name}}}/") for name in ("user_id", "username", "client")]
    reply = auth.admin("POST", GROUPS, json={"name": "x", "grants": all_three})
    assert reply.status_code == 201
    assert reply.get_json()["grants"] == all_three


def test_who_lifts_limits_has_none(auth: AuthService) -> None:
    """Owners and administrators cannot have a list of grants, at creation or later."""
    user = {"username": "ada", "role": "owner", "password": "correct horse battery"}
    assert "Owners" in refusal(auth, "POST", USERS, {**user, "grants": [GOOD]})["detail"]
    owner = auth.admin("POST", USERS, json=user).get_json()["user_id"]
    refusal(auth, "PATCH", f"{USERS}/{owner}", {"grants": []})
    editor = auth.admin(
        "POST", USERS, json={**user, "username": "eve", "role": "editor", "grants": [GOOD]}
    ).get_json()["user_id"]
    refusal(auth, "PATCH", f"{USERS}/{editor}", {"role": "owner"})
    reply = auth.admin("PATCH", f"{USERS}/{editor}", json={"role": "owner", "grants": None})
    assert (reply.status_code, reply.get_json()["role"]) == (200, "owner")
    admin = {"name": "x", "scopes": ["tenants:admin"]}
    path = "/tenants/wharf-admin/clients"
    assert "tenants:admin" in refusal(auth, "POST", path, {**admin, "grants": [GOOD]})["detail"]
    made = auth.admin("POST", path, json=admin).get_json()["client_id"]
    refusal(auth, "PATCH", f"{path}/{made}", {"grants": [GOOD]})
    for scope in ("members:admin", "tenants:admin", "files:fly"):
        told = refusal(auth, "POST", GROUPS, {"name": "x", "scopes": [scope]})["detail"]
        assert scope in told
