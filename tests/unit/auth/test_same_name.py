"""The grants of a new user that has the name of a deleted user."""

from __future__ import annotations

from tests.servers.auth import AuthService
from tests.servers.people import Person, logged_in

USERS = "/tenants/demo/users"
GRANTS = [
    {"bucket": "photos", "prefix": f"{place}/", "actions": ["read"]}
    for place in ("id/{user_id}", "name/{username}")
]


def granted(auth: AuthService) -> tuple[Person, list[str]]:
    """Create a user with the test's name and grants, and return the user and its prefixes."""
    person = logged_in(auth)
    assert auth.admin("PATCH", f"{USERS}/{person.id}", json={"grants": GRANTS}).status_code == 200
    return person, [one["prefix"] for one in person.call("GET", "/me").get_json()["grants"]]


def test_a_name_that_is_given_again(auth: AuthService) -> None:
    """A new user with a deleted user's name reaches the prefix of `{username}`.

    docs/grants.md warns of this risk. The new user does not reach the prefix of the deleted user's
    `{user_id}`.
    """
    first, before = granted(auth)
    assert auth.admin("DELETE", f"{USERS}/{first.id}").status_code == 204
    second, after = granted(auth)
    assert first.username == second.username
    assert set(before) & set(after) == {f"name/{first.username}/"}
    assert after[0] == f"id/{second.id}/"
