"""Somebody new of a name that was somebody else's: what is inherited, and what is not."""

from __future__ import annotations

from tests.servers.auth import AuthService
from tests.servers.people import Person, logged_in

USERS = "/tenants/demo/users"
GRANTS = [
    {"bucket": "photos", "prefix": f"{place}/", "actions": ["read"]}
    for place in ("id/{user_id}", "name/{username}")
]


def granted(auth: AuthService) -> tuple[Person, list[str]]:
    """A new person of the same name with the same grants, and the prefixes that it reaches."""
    person = logged_in(auth)
    assert auth.admin("PATCH", f"{USERS}/{person.id}", json={"grants": GRANTS}).status_code == 200
    return person, [one["prefix"] for one in person.call("GET", "/me").get_json()["grants"]]


def test_a_name_that_is_given_again(auth: AuthService) -> None:
    """The new person of the name reaches what `{username}` names, as docs/grants.md warns, and
    nothing that `{user_id}` named for the one before.
    """
    first, before = granted(auth)
    assert auth.admin("DELETE", f"{USERS}/{first.id}").status_code == 204
    second, after = granted(auth)
    assert first.username == second.username
    assert set(before) & set(after) == {f"name/{first.username}/"}
    assert after[0] == f"id/{second.id}/"
