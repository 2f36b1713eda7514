"""A tenant that names an object of another tenant neither reads nor changes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servicekit.database import Database
from servicekit.networks import network_of
from tests.contract.auth.test_people import ADA, HASH, NOW, SESSION, UNTIL
from tests.servers.auth import act
from wharf_auth.database import groups
from wharf_auth.database.contract import Client, Records, Secret, Tenant
from wharf_auth.database.groups_contract import Group, MemberOfTooMany, TooManyGroups
from wharf_auth.database.people_contract import LoginOutdated
from wharf_auth.database.sql import SqlRecords

CLIENT = Client("c1", "acme", "billing", ("files:read",), NOW)
GROUP = Group("g1", "acme", "Team", (), None, NOW, NOW)


@pytest.fixture
def both(database: Database) -> Records:
    """Return records of `acme`, which has a user, a client and a group, and of `other`."""
    records = SqlRecords(database)
    for name in ("acme", "other"):
        records.add_tenant(Tenant(name, name, NOW), act())
    records.add_user(ADA, "ada", HASH, act())
    records.add_client(CLIENT, Secret("s1", "h", "h", NOW), act())
    records.add_group(GROUP, "team", act())
    for subject in ("u1", "c1"):
        records.change_members("acme", "g1", add={subject: act()}, remove={})
    return records


def test_a_revoked_token_of_another(both: Records) -> None:
    """A token id that one tenant revoked is not revoked for another tenant, which can
    revoke the same id.
    """
    both.revoke_token("other", "j1", UNTIL, act())
    chain = {"tokens": ("j1",), "session": "j1", "subject": "j1"}
    assert not both.revoked("acme", **chain)  # type: ignore[arg-type]
    both.revoke_token("acme", "j1", UNTIL, act())
    assert both.revoked("acme", **chain)  # type: ignore[arg-type]


def test_a_login_into_another_tenant(both: Records) -> None:
    """A session of a user cannot be added in another tenant."""
    with pytest.raises(LoginOutdated):
        both.add_session(replace(SESSION, tenant="other"), "t1", HASH)


def test_networks_of_a_namesake(both: Records) -> None:
    """A known network of a user is not known for a user of that name in another tenant."""
    both.add_user(replace(ADA, id="u9", tenant="other"), "ada", HASH, act())
    both.add_session(replace(SESSION, user="u9", tenant="other"), "t1", HASH)
    assert both.login_networks("acme", "ada", NOW) == frozenset()
    assert both.login_networks("other", "ada", NOW) == {network_of(SESSION.address)}


def test_subjects_and_groups_of_another(both: Records) -> None:
    """A tenant that reads ids of another tenant finds no user, no client and no group."""
    ids = ("u1", "c1")
    assert {one.id for one in both.subjects("acme", ids)} == set(ids)
    assert both.subjects("other", ids) == []
    assert both.groups_of("acme", ids).keys() == set(ids)
    assert both.groups_of("other", ids) == {}
    assert both.group_names_of("acme", ids).keys() == set(ids)
    assert both.group_names_of("other", ids) == {}


def test_groups_of_one(both: Records) -> None:
    """A list of groups has groups of one tenant only, and a group of another
    tenant is not found.
    """
    both.add_group(replace(GROUP, id="g2", tenant="other"), "team", act())
    assert [group.id for group in both.groups("acme", after="", limit=9)] == ["g1"]
    assert [group.id for group in both.groups("other", after="", limit=9)] == ["g2"]
    assert both.group("other", "g1") is None


def test_so_many_groups_of_one(both: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of other tenants count neither against a tenant's limit of groups nor
    against a user's limit.
    """
    monkeypatch.setattr(groups, "MAX_GROUPS_OF_TENANT", 2)
    monkeypatch.setattr(groups, "MAX_GROUPS", 2)
    both.add_group(replace(GROUP, id="g3", name="Third"), "third", act())
    both.change_members("acme", "g3", add={"u1": act()}, remove={})
    with pytest.raises(TooManyGroups, match="acme"):
        both.add_group(replace(GROUP, id="g4", name="Fourth"), "fourth", act())
    monkeypatch.setattr(groups, "MAX_GROUPS_OF_TENANT", 3)
    both.add_group(replace(GROUP, id="g4", name="Fourth"), "fourth", act())
    with pytest.raises(MemberOfTooMany, match="u1"):
        both.change_members("acme", "g4", add={"u1": act()}, remove={})
