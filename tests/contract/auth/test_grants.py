"""The contract of grants and groups in the records, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from servicekit.database import Database
from servicekit.grants import EVERYTHING_COMPACT, Compact, CompactGrant
from servicekit.grants_claim import MAX_GROUPS
from servicekit.reaches import ReachChange
from servicekit.revocations import Revocation
from tests.servers.auth import act
from wharf_auth.database import reaches
from wharf_auth.database.contract import Client, NameTaken, NoSuchTenant, Records, Secret, Tenant
from wharf_auth.database.groups_contract import (
    ClientChange,
    Group,
    GroupChange,
    LimitedManager,
    Member,
    MemberOfTooMany,
    NoSuchGroup,
    NoSuchMember,
    UserRights,
)
from wharf_auth.database.people_contract import User

NOW = 1_795_000_000_000
UNTIL = reaches.horizon(NOW, reaches.LINK_MAX_SECONDS)
OWN = (CompactGrant("photos", "users/{user_id}/", "rwdl"),)
FILLED = (CompactGrant("photos", "users/u1/", "rwdl"),)
INBOX = (CompactGrant("photos", "inbox/{username}/", "w"),)
LONG = tuple(CompactGrant("photos", f"{number}/{'x' * 60}/", "r") for number in range(20))
EDITING = "files:read files:write files:delete"
ADA = User("u1", "acme", "ada", "Ada", "editor", NOW, NOW)
BILLING = Client("c1", "acme", "billing", ("files:write",), NOW)
TEAM = Group("g1", "acme", "Team", ("files:read",), INBOX, NOW, NOW)


@pytest.fixture
def acme(records: Records) -> Records:
    """Return records with the tenants `acme` and `other`. `acme` has one user, one client and one
    group, and only the group is in the feed.
    """
    for name in ("acme", "other"):
        records.add_tenant(Tenant(name, name, NOW), act())
    records.add_user(ADA, "ada", "hash", act())
    records.add_client(BILLING, Secret("s1", "h", "h", NOW), act())
    records.add_group(TEAM, "team", act(at=NOW))
    return records


def told(records: Records, after: int = 0) -> dict[str, Revocation]:
    """Return the feed entries about reaches, by the id of the subject or group."""
    entries = records.feed(after=after, limit=1000).entries
    return {one.id: one for one in entries if one.reach is not None}


def move(
    records: Records, add: tuple[str, ...] = (), remove: tuple[str, ...] = (), group: str = "g1"
) -> None:
    records.change_members(
        "acme",
        group,
        add={one: act("add", about=one, at=NOW) for one in add},
        remove={one: act("remove", about=one, at=NOW) for one in remove},
    )


def rights(role: str | None = None, *grants: CompactGrant) -> UserRights:
    return UserRights(role=role or msgspec.UNSET, grants=grants)


def test_grants_come_back_as_they_were(acme: Records) -> None:
    """Grants of users, clients and groups are read exactly as they were written.

    Placeholders stay as they are, and `None` differs from an empty list.
    """
    limited: tuple[Compact, ...] = (OWN, ())
    for number, grants in enumerate(limited):
        user = replace(ADA, id=f"v{number}", grants=grants, reach_version=NOW)
        acme.add_user(user, f"v{number}", "hash", act())
        client = replace(BILLING, id=f"d{number}", grants=grants, reach_version=NOW)
        acme.add_client(client, Secret(f"t{number}", "h", "h", 1), act())
        assert acme.user("acme", user.id) == user
        assert acme.client("acme", client.id) == client
        login = acme.login(client.id)
        assert login is not None
        assert login.client == client
    assert acme.client("acme", "c1") == BILLING
    assert acme.client("other", "c1") is None
    assert acme.group("acme", "g1") == TEAM
    assert acme.group("other", "g1") is None
    assert acme.groups("acme", after="", limit=9) == [TEAM]
    assert set(told(acme)) == {"g1"}


def test_a_change_of_rights_is_told_filled_in(acme: Records) -> None:
    """After a change of a user's grants, role or state the feed has the new reach, without
    placeholders. The version of the reach always increases.
    """
    for _ in range(2):
        acme.set_rights("acme", "u1", rights(None, *OWN), UNTIL, act(at=NOW))
    entry = told(acme)["u1"]
    assert (entry.kind, entry.state, entry.until, entry.at) == ("reach", "changed", UNTIL, NOW)
    assert entry.reach == ReachChange(NOW, FILLED, EDITING, "ada")
    acme.set_rights("acme", "u1", UserRights(role="viewer"), UNTIL, act(at=NOW - 5))
    assert told(acme)["u1"].reach == ReachChange(NOW + 1, FILLED, "files:read", "ada")
    acme.set_rights("acme", "u1", UserRights(grants=None), UNTIL, act(at=NOW + 9))
    change = ReachChange(NOW + 9, EVERYTHING_COMPACT, "files:read", "ada")
    assert told(acme)["u1"].reach == change
    acme.disable_user("acme", "u1", UNTIL, act(at=NOW + 10))
    assert told(acme)["u1"].reach == ReachChange(NOW + 10)
    acme.enable_user("acme", "u1", act(at=NOW + 11))
    assert told(acme)["u1"].reach == msgspec.structs.replace(change, version=NOW + 11)
    acme.delete_user("acme", "u1", UNTIL, act(at=NOW))
    assert told(acme)["u1"].reach == ReachChange(NOW + 12)


def test_a_change_of_a_client_is_told(acme: Records) -> None:
    """The feed reports new scopes and grants of a client but not a new name, and a disabled client
    leaves its groups.
    """
    acme.change_client("acme", "c1", ClientChange(name="Bills"), act(at=NOW))
    assert set(told(acme)) == {"g1"}
    change = ClientChange(scopes=("files:read",), grants=INBOX)
    acme.change_client("acme", "c1", change, act(at=NOW))
    # A client has no username, so a grant with `{username}` is left out.
    assert told(acme)["c1"].reach == ReachChange(NOW, (), "files:read")
    shown = acme.client("acme", "c1")
    assert shown is not None
    assert (shown.name, shown.scopes, shown.grants) == ("Bills", ("files:read",), INBOX)
    move(acme, ("c1",))
    acme.disable("acme", "c1", UNTIL, act(at=NOW))
    assert told(acme)["c1"].reach == ReachChange(NOW + 2)
    assert acme.members("acme", "g1", after="", limit=9) == []


def test_long_grants_stay_in_the_feed(acme: Records) -> None:
    """The feed entry of grants that do not fit into a token has no end until the grants change."""
    acme.add_user(replace(ADA, id="u2", grants=LONG), "u2", "hash", act(at=NOW))
    assert told(acme)["u2"].until is None
    acme.set_rights("acme", "u2", rights(None, *OWN), UNTIL, act(at=NOW))
    assert told(acme)["u2"].until == UNTIL


def test_nobody_who_manages_is_limited(acme: Records) -> None:
    """The records refuse a list of grants for an owner and for a client with `tenants:admin`.

    The same change may make a person an owner and remove the list, or remove the role
    and add a list.
    """
    acme.set_rights("acme", "u1", rights(None, *OWN), UNTIL, act())
    with pytest.raises(LimitedManager):
        acme.set_rights("acme", "u1", UserRights(role="owner"), UNTIL, act())
    acme.set_rights("acme", "u1", UserRights(role="owner", grants=None), UNTIL, act())
    with pytest.raises(LimitedManager):
        acme.set_rights("acme", "u1", rights(None, *OWN), UNTIL, act())
    acme.set_rights("acme", "u1", rights("viewer", *OWN), UNTIL, act())
    with pytest.raises(LimitedManager):
        acme.change_client("acme", "c1", ClientChange(scopes=("tenants:admin",), grants=()), act())


def test_members_come_and_go(acme: Records) -> None:
    """A member that joins or leaves has a feed entry with its groups, unless the change has no
    effect or names an unknown member.
    """
    move(acme, ("u1", "c1"))
    latest = acme.feed(after=0, limit=1).latest
    assert acme.members("acme", "g1", after="", limit=9) == [
        Member("c1", "client", "billing"),
        Member("u1", "user", "ada"),
    ]
    assert acme.members("acme", "g1", after="c1", limit=9) == [Member("u1", "user", "ada")]
    assert acme.member_counts(["g1", "g2"]) == {"g1": 2, "g2": 0}
    assert acme.groups_of("acme", ["u1", "x"]) == {"u1": [TEAM]}
    change = ReachChange(NOW, EVERYTHING_COMPACT, EDITING, "ada", ("g1",))
    assert told(acme)["u1"].reach == change
    move(acme, ("u1",))
    with pytest.raises(NoSuchMember):
        move(acme, ("absent",), ("u1",))
    assert acme.feed(after=0, limit=1).latest == latest
    move(acme, remove=("u1", "absent"))
    assert set(told(acme, latest)) == {"u1"}
    assert told(acme)["u1"].reach == ReachChange(NOW + 1, EVERYTHING_COMPACT, EDITING, "ada")
    noted = [(line.act.act, line.act.about) for line in acme.audit(after=0, limit=99)][-3:]
    assert noted == [("add", "c1"), ("add", "u1"), ("remove", "u1")]
    acme.delete_user("acme", "u1", UNTIL, act())
    assert acme.member_counts(["g1"]) == {"g1": 1}


def test_a_group_is_one_entry(acme: Records) -> None:
    """A group has one feed entry for all its members.

    After the deletion of the group the entry stays until the last link has expired.
    """
    move(acme, ("u1", "c1"))
    before = acme.feed(after=0, limit=1).latest
    (entry,) = (told(acme)["g1"],)
    assert (entry.kind, entry.until) == ("group", None)
    assert entry.reach == ReachChange(NOW, INBOX, "files:read")
    acme.change_group("acme", "g1", GroupChange(name="Crew", folded="crew"), act(at=NOW))
    assert acme.feed(after=0, limit=1).latest == before
    acme.change_group("acme", "g1", GroupChange(scopes=(), grants=None), act(at=NOW))
    assert list(told(acme, before).values()) == [
        replace_entry(entry, before + 1, ReachChange(NOW + 1, EVERYTHING_COMPACT))
    ]
    acme.delete_group("acme", "g1", act(at=NOW))
    gone = told(acme, before)["g1"]
    assert (gone.until, gone.reach) == (UNTIL, ReachChange(NOW + 2))
    assert acme.groups_of("acme", ["u1"]) == {}
    assert acme.feed(after=0, limit=1).latest == before + 2


def replace_entry(entry: Revocation, seq: int, change: ReachChange) -> Revocation:
    return msgspec.structs.replace(entry, seq=seq, reach=change)


def test_what_groups_refuse(acme: Records) -> None:
    """The records refuse a group name in use, and a group, member or tenant that does not exist.

    Each error names the object.
    """
    acme.add_group(replace(TEAM, id="g2", name="Two"), "two", act())
    calls: list[tuple[type[Exception], str, Callable[[], object]]] = [
        (NameTaken, "Team", lambda: acme.add_group(replace(TEAM, id="g3"), "team", act())),
        (
            NameTaken,
            "g2",
            lambda: acme.change_group("acme", "g2", GroupChange(name="T", folded="team"), act()),
        ),
        (NoSuchTenant, "nix", lambda: acme.add_group(replace(TEAM, tenant="nix"), "x", act())),
        (NoSuchTenant, "nix", lambda: acme.groups("nix", after="", limit=1)),
        (NoSuchGroup, "g1", lambda: acme.change_group("other", "g1", GroupChange(), act())),
        (NoSuchGroup, "g1", lambda: acme.delete_group("other", "g1", act())),
        (NoSuchGroup, "g1", lambda: acme.members("other", "g1", after="", limit=1)),
        (NoSuchGroup, "g1", lambda: acme.change_members("other", "g1", add={}, remove={})),
    ]
    for error, named, call in calls:
        with pytest.raises(error, match=f"^{named}$"):
            call()
    acme.add_group(replace(TEAM, id="g9", tenant="other"), "team", act())
    acme.add_user(replace(ADA, id="u9", tenant="other"), "ada", "hash", act())
    with pytest.raises(NoSuchMember, match="u9"):
        move(acme, ("u9",))
    assert [one.id for one in acme.subjects("acme", ["u1", "u9", "c1"])] == ["u1", "c1"]


def test_nobody_is_in_too_many_groups_at_once(database: Database, acme: Records) -> None:
    """If several calls add a user to a group at the same time and one more is
    allowed, one call succeeds.
    """
    for number in range(MAX_GROUPS + 3):
        acme.add_group(replace(TEAM, id=f"h{number}"), f"h{number}", act())
    for number in range(MAX_GROUPS - 1):
        move(acme, ("u1",), group=f"h{number}")
    barrier, outcomes = threading.Barrier(4), list[str]()

    def join(number: int) -> None:
        barrier.wait()
        try:
            move(acme, ("u1",), group=f"h{MAX_GROUPS - 1 + number}")
            outcomes.append("joined")
        except MemberOfTooMany:
            outcomes.append("refused")
        finally:
            database.close()

    threads = [threading.Thread(target=join, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["joined", "refused", "refused", "refused"]
    assert len(acme.groups_of("acme", ["u1"])["u1"]) == MAX_GROUPS
    reach = told(acme)["u1"].reach
    assert reach is not None
    assert len(reach.groups) == MAX_GROUPS


def test_a_page_of_the_feed_has_an_end(acme: Records) -> None:
    """A page of the feed has at most one mebibyte, and is empty only at the end of the feed."""
    wide = tuple(CompactGrant("photos", f"{number}/{'字' * 300}/", "r") for number in range(90))
    for number in range(24):
        acme.add_group(replace(TEAM, id=f"h{number}", grants=wide), f"h{number}", act())
    found: list[str] = []
    after = pages = 0
    while (page := acme.feed(after=after, limit=1000)).entries:
        assert len(msgspec.json.encode(page)) <= 1 << 20
        found += [one.id for one in page.entries]
        after, pages = page.entries[-1].seq, pages + 1
    assert found == ["g1", *(f"h{number}" for number in range(24))]
    assert pages > 1


def test_a_purged_tenant_keeps_no_groups(acme: Records) -> None:
    """A purge removes the groups of the tenant, their memberships and their feed entries."""
    move(acme, ("u1", "c1"))
    acme.delete_tenant("acme", NOW, act(at=NOW))
    assert acme.purge_tenant("acme", act(at=NOW))
    assert acme.group("acme", "g1") is None
    assert acme.member_counts(["g1"]) == {"g1": 0}
    assert told(acme) == {}


def test_names_of_groups_without_their_grants(acme: Records) -> None:
    """The names of groups are listed for each subject, in the order of the group ids."""
    acme.add_group(replace(TEAM, id="g2", name="Two"), "two", act())
    move(acme, ("u1", "c1"))
    move(acme, ("u1",), group="g2")
    found = acme.group_names_of("acme", ["u1", "c1", "x"])
    assert {who: [(one.id, one.name) for one in groups] for who, groups in found.items()} == {
        "u1": [("g1", "Team"), ("g2", "Two")],
        "c1": [("g1", "Team")],
    }
    assert acme.group_names_of("other", ["u1"]) == {}


def test_many_ids_are_asked_for_in_parts(acme: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many ids for one statement are read in parts, with the same result as one statement."""
    monkeypatch.setattr("wharf_auth.database.groups._AT_ONCE", 2)
    teams = [TEAM, *(replace(TEAM, id=f"h{number}", name=f"{number}") for number in range(4))]
    for team in teams[1:]:
        acme.add_group(team, team.name, act())
        move(acme, ("u1",), group=team.id)
    move(acme, ("c1",))
    subjects = ["absent", "u1", "none", "u1", "c1"]
    assert [one.id for one in acme.subjects("acme", subjects)] == ["u1", "c1"]
    assert acme.groups_of("acme", subjects) == {"u1": teams[1:], "c1": teams[:1]}
    named = acme.group_names_of("acme", subjects)
    assert {who: [one.name for one in some] for who, some in named.items()} == {
        "u1": ["0", "1", "2", "3"],
        "c1": ["Team"],
    }
    counts = acme.member_counts(["h0", "g1", "h3", "nix", "h0"])
    assert counts == {"h0": 1, "g1": 1, "h3": 1, "nix": 0}
