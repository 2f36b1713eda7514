"""Changes are in the feed with object, state and time, and in the audit log, on SQLite and on
PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from servicekit.database import Database
from servicekit.grants import EVERYTHING_COMPACT, Compact, CompactGrant
from servicekit.reaches import ReachChange
from servicekit.revocations import Revocation
from tests.servers.auth import act
from wharf_auth.database import reaches
from wharf_auth.database.contract import Client, Secret, Tenant
from wharf_auth.database.groups_contract import ClientChange, Group, GroupChange, UserRights
from wharf_auth.database.people_contract import Ending, RefreshReused, Session, User
from wharf_auth.database.sql import SqlRecords
from wharf_auth.domain.acts import Act, AuditedAct
from wharf_auth.domain.limits import TenantLimits
from wharf_auth.domain.tokens import last_expiry

NOW = 1_795_000_000_000
AT = NOW + 7_890
UNTIL = 1_795_100_000
HORIZON = reaches.horizon(AT, reaches.LINK_MAX_SECONDS)
DONE = act("done", about="thing", at=AT)
ENDING = Ending(AT, UNTIL)
TEAMS = (CompactGrant("photos", "users/{user_id}/", "rwdl"),)
ADA = User("u1", "acme", "ada", "Ada", "editor", NOW, NOW)
SESSION = Session("s1", "u1", "acme", NOW, NOW, NOW + 10**9, "192.0.2.1", "Browser")
CLIENT = Client("c1", "acme", "billing", ("files:read",), NOW)
CLIENT_OF_TWO = replace(CLIENT, id="c2", scopes=("files:read", "files:write"))
TEAM = Group("g1", "acme", "Team", ("files:read", "files:write"), TEAMS, NOW, NOW)
EDITING = "files:read files:write files:delete"
Change = Callable[[SqlRecords], object]
Told = list[Revocation]


@pytest.fixture
def records(database: Database) -> SqlRecords:
    """Return records with a person who is logged in, a second person, a client, and a group. The
    first person and the client are in the group.
    """
    records = SqlRecords(database, limits=TenantLimits(sessions=1))
    records.add_tenant(Tenant("acme", "Acme", NOW), act())
    records.add_user(ADA, "ada", "hash", act())
    records.add_user(replace(ADA, id="u2", username="eve"), "eve", "hash", act())
    records.add_client(CLIENT, Secret("k1", "h", "h", NOW), act())
    records.add_group(TEAM, "team", act(at=NOW))
    members = {subject: act(at=NOW) for subject in ("u1", "c1")}
    records.change_members("acme", "g1", add=members, remove={})
    records.add_session(SESSION, "t1", "hash")
    return records


def told(kind: str, thing: str, state: str = "revoked", until: int | None = UNTIL) -> Revocation:
    """Return the feed entry about one object of the tenant, with the time of the change."""
    return Revocation(seq=0, kind=kind, tenant="acme", id=thing, state=state, until=until, at=AT)


def reach(
    thing: str, change: ReachChange, kind: str = "reach", until: int | None = HORIZON
) -> Revocation:
    return msgspec.structs.replace(told(kind, thing, "changed", until), reach=change)


def below(name: str, count: int = 1) -> Compact:
    """Return `count` grants below the folder `name`, which may be a placeholder. A token has no
    space for twenty such grants.
    """
    return tuple(CompactGrant("photos", f"{name}/{'x' * 40}/{one}/", "r") for one in range(count))


def of_ada(
    scopes: str = EDITING, groups: tuple[str, ...] = ("g1",), own: Compact = EVERYTHING_COMPACT
) -> ReachChange:
    return ReachChange(AT, own, scopes, "ada", groups)


def of_client(scopes: str = "files:read", groups: tuple[str, ...] = ("g1",)) -> ReachChange:
    return ReachChange(AT, EVERYTHING_COMPACT, scopes, "", groups)


def changes_after(records: SqlRecords, change: Change) -> Told:
    """Return the feed entries that a change adds, without their numbers.

    Assert that these numbers follow the last number before the change without a gap.
    """
    latest = records.feed(after=0, limit=1).latest
    change(records)
    page = records.feed(after=latest, limit=99)
    assert [one.seq for one in page.entries] == list(range(latest + 1, page.latest + 1))
    return [msgspec.structs.replace(one, seq=0) for one in page.entries]


SESSION_ENDED = told("session", "s1")
CHANGES: dict[str, tuple[Change, Told]] = {
    "suspend": (lambda of: of.suspend("acme", DONE), [told("tenant", "", "suspended", None)]),
    "delete tenant": (
        lambda of: of.delete_tenant("acme", AT, DONE),
        [told("tenant", "", "deleted", None)],
    ),
    "disable client": (
        lambda of: of.disable("acme", "c1", UNTIL, DONE),
        [told("subject", "c1"), reach("c1", ReachChange(AT))],
    ),
    "change client": (
        lambda of: of.change_client("acme", "c1", ClientChange(scopes=("files:write",)), DONE),
        [reach("c1", of_client("files:write"))],
    ),
    "grants of a client": (
        lambda of: of.change_client("acme", "c1", ClientChange(grants=below("{client}")), DONE),
        [reach("c1", ReachChange(AT, below("c1"), "files:read", "", ("g1",)))],
    ),
    "revoke token": (
        lambda of: of.revoke_token("acme", "j1", UNTIL, DONE),
        [told("token", "j1")],
    ),
    "revoke token and derived": (
        lambda of: of.revoke_token("acme", "j1", UNTIL, DONE, with_derived=True),
        [told("token", "j1"), told("session", "j1")],
    ),
    "role": (
        lambda of: of.set_rights("acme", "u1", UserRights(role="viewer"), UNTIL, DONE),
        [reach("u1", of_ada("files:read")), SESSION_ENDED],
    ),
    "disable user": (
        lambda of: of.disable_user("acme", "u1", UNTIL, DONE),
        [reach("u1", ReachChange(AT)), SESSION_ENDED, told("subject", "u1")],
    ),
    "grants of a user": (
        lambda of: of.set_rights(
            "acme", "u1", UserRights(grants=below("{username}/{user_id}")), UNTIL, DONE
        ),
        [reach("u1", of_ada(own=below("ada/u1")))],
    ),
    "password": (lambda of: of.set_password(ADA, "new", UNTIL, DONE), [SESSION_ENDED]),
    "own password": (
        lambda of: of.set_password(ADA, "new", UNTIL, DONE, keep_session="s1"),
        [],
    ),
    "end sessions": (lambda of: of.end_sessions("acme", "u1", UNTIL, DONE), [SESSION_ENDED]),
    "delete user": (
        lambda of: of.delete_user("acme", "u1", UNTIL, DONE),
        [SESSION_ENDED, told("subject", "u1"), reach("u1", ReachChange(AT))],
    ),
    "add group": (
        lambda of: of.add_group(replace(TEAM, id="g2", name="Two", version=AT), "two", DONE),
        [reach("g2", ReachChange(AT, TEAMS, "files:read files:write"), "group", None)],
    ),
    "change group": (
        lambda of: of.change_group("acme", "g1", GroupChange(grants=None), DONE),
        [reach("g1", ReachChange(AT, EVERYTHING_COMPACT, "files:read files:write"), "group", None)],
    ),
    "delete group": (
        lambda of: of.delete_group("acme", "g1", DONE),
        [reach("g1", ReachChange(AT), "group", HORIZON)],
    ),
    "leave group": (
        lambda of: of.change_members("acme", "g1", add={}, remove={"c1": DONE}),
        [reach("c1", of_client(groups=()))],
    ),
    "client with long grants": (
        lambda of: of.add_client(
            replace(CLIENT_OF_TWO, grants=below("{client}", 20), reach_version=AT),
            Secret("k2", "h", "h", NOW),
            DONE,
        ),
        [reach("c2", ReachChange(AT, below("c2", 20), "files:read files:write"), until=None)],
    ),
    "user with long grants": (
        lambda of: of.add_user(
            replace(ADA, id="u3", grants=below("{username}/{user_id}", 20), reach_version=AT),
            "abc",
            "hash",
            DONE,
        ),
        [reach("u3", of_ada(own=below("ada/u3", 20), groups=()), until=None)],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_followers_hear(records: SqlRecords, name: str) -> None:
    """Each change writes exactly the expected feed entries, with tenant, object, state, time, end
    and new reach. The newest line of the audit log states the change.
    """
    change, expected = CHANGES[name]
    before = records.audit_before(before=10**9, limit=1)
    assert changes_after(records, change) == expected
    last, *older = records.audit_before(before=10**9, limit=2)
    assert last == AuditedAct(last.seq, DONE)
    assert older == list(before)


ENDS: dict[str, Change] = {
    "end session": lambda of: of.end_session("u1", "s1", ENDING),
    "end by refresh token": lambda of: of.end_by_refresh("t1", ENDING),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_followers_hear_of_an_end(records: SqlRecords, name: str) -> None:
    """The feed entry of an ended session has the time of the end and the expiry of the session's
    tokens.
    """
    assert changes_after(records, ENDS[name]) == [SESSION_ENDED]


def test_what_followers_hear_of_a_thief(records: SqlRecords) -> None:
    """The second use of a refresh token adds the end of its session to the feed, and the error
    names the session.
    """
    records.rotate("t1", "t2", idle_since=0, ending=Ending(NOW, UNTIL))

    def steal(of: SqlRecords) -> None:
        with pytest.raises(RefreshReused, match=r"^s1$"):
            of.rotate("t1", "t3", idle_since=0, ending=ENDING)

    assert changes_after(records, steal) == [SESSION_ENDED]


def test_what_followers_hear_of_one_login_too_many(records: SqlRecords) -> None:
    """A login above the limit of sessions revokes an older session until the
    session's last token expires.
    """
    late = replace(SESSION, id="s2", created_at=AT, used_at=AT)
    ended = told("session", "s1", until=last_expiry(AT))
    assert changes_after(records, lambda of: of.add_session(late, "t2", "hash")) == [ended]


BACK: dict[str, tuple[Change, Change, Told]] = {
    "resume": (
        lambda of: of.suspend("acme", act(at=NOW)),
        lambda of: of.resume("acme", DONE),
        [told("tenant", "", "active", None)],
    ),
    "enable user": (
        lambda of: of.disable_user("acme", "u1", UNTIL, act(at=NOW)),
        lambda of: of.enable_user("acme", "u1", DONE),
        [reach("u1", of_ada()), told("subject", "u1", "active", None)],
    ),
    "purge": (
        lambda of: of.delete_tenant("acme", AT, act(at=NOW)),
        lambda of: of.purge_tenant("acme", DONE),
        [told("tenant", "", "purged", None)],
    ),
}


@pytest.mark.parametrize("name", BACK)
def test_what_followers_hear_of_a_second_step(records: SqlRecords, name: str) -> None:
    """A change that reverses or completes an earlier change writes feed entries with the time of
    the later change.
    """
    first, second, expected = BACK[name]
    first(records)
    assert changes_after(records, second) == expected


def an_act(number: int) -> Act:
    return act(f"act {number}", about=f"thing {number}", at=AT + number)


def test_what_is_kept_is_what_was_changed(database: Database, records: SqlRecords) -> None:
    """Scopes, roles and grants are read as they were written, with the version of their feed entry.
    A missing list of grants is stored as NULL.
    """
    both = ("files:read", "files:delete")
    assert records.group("acme", "g1") == TEAM
    for table in ("users", "clients"):
        kept = database.reading().rows(f"SELECT DISTINCT grants FROM {table}")
        assert kept == [(None,)]
    records.change_group("acme", "g1", GroupChange(scopes=both, grants=below("{client}")), DONE)
    group = replace(TEAM, scopes=both, grants=below("{client}"), version=AT)
    assert records.groups("acme", after="", limit=9) == [group]
    records.change_client("acme", "c1", ClientChange(scopes=both, grants=below("{client}")), DONE)
    client = replace(CLIENT, scopes=both, grants=below("{client}"), reach_version=AT)
    assert records.client("acme", "c1") == client
    rights = UserRights(role="viewer", grants=below("{user_id}"))
    records.set_rights("acme", "u1", rights, UNTIL, DONE)
    user = replace(ADA, role="viewer", grants=below("{user_id}"), reach_version=AT)
    assert records.user("acme", "u1") == user


def test_who_was_no_member_is_not_taken_out(records: SqlRecords) -> None:
    """Removing a subject that is not a member of the group writes no feed entry
    and no audit line.
    """
    before = records.audit_before(before=10**9, limit=1)
    told_of = changes_after(
        records, lambda of: of.change_members("acme", "g1", add={}, remove={"u2": DONE})
    )
    assert told_of == []
    assert records.audit_before(before=10**9, limit=1) == before


def test_each_member_has_its_own_line(records: SqlRecords) -> None:
    """Members that join and leave in one change have separate audit lines, in the order of ids.

    The members' feed entries have the time of the latest change.
    """
    records.add_group(replace(TEAM, id="g2", name="Two"), "two", act())
    records.change_members("acme", "g2", add={"c1": act(at=NOW)}, remove={})
    told_of = changes_after(
        records,
        lambda of: of.change_members("acme", "g2", add={"u1": an_act(1)}, remove={"c1": an_act(2)}),
    )
    assert [(one.id, one.at, one.reach and one.reach.version) for one in told_of] == [
        ("c1", AT + 2, AT + 2),
        ("u1", AT + 2, AT + 1),
    ]
    lines = records.audit_before(before=10**9, limit=2)
    assert [line.act for line in lines] == [an_act(1), an_act(2)]
