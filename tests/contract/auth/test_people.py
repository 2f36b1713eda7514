"""The contract of people's records, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from servicekit.database import Database
from tests.servers.auth import act
from wharf_auth.database.contract import NameTaken, NoSuchTenant, Records, Tenant, TenantDeleted
from wharf_auth.database.groups_contract import UserRights
from wharf_auth.database.people_contract import (
    Ending,
    LoginOutdated,
    NoSuchUser,
    RefreshReused,
    RefreshSuspended,
    RefreshUnknown,
    Session,
    User,
)
from wharf_auth.database.sql import SqlRecords

NOW = 1_795_000_000_123
HASH = "$argon2id$…"
ADA = User("u1", "acme", "Ädä", "Ada 日本 🦊", "editor", NOW, NOW)
EVE = User("u2", "acme", "eve", "Eve", "viewer", NOW, NOW)
SESSION = Session("s1", "u1", "acme", NOW, NOW, NOW + 1_000_000, "2001:db8::1", "Browser 🦊")
ENDING = Ending(NOW + 5, 1_795_100_000)
UNTIL = ENDING.until


@pytest.fixture
def records(database: Database) -> Records:
    """Return records with two tenants, and with two users of one of the tenants."""
    records = SqlRecords(database)
    for name in ("acme", "other"):
        records.add_tenant(Tenant(name, name, NOW), act())
    records.add_user(ADA, "ada", HASH, act())
    records.add_user(EVE, "eve", HASH, act())
    return records


def revoked(records: Records) -> list[tuple[str, str, str, int | None]]:
    """Return kind, id, state and end of each revocation in the feed, in order."""
    entries = records.feed(after=0, limit=1000).entries
    return [(one.kind, one.id, one.state, one.until) for one in entries if one.reach is None]


def acts(records: Records) -> list[str]:
    """Return all acts in the audit log except those of the fixtures."""
    return [line.act.act for line in records.audit(after=0, limit=100) if line.act.act != "test"]


def rotate(records: Records, presented: str, successor: str, at: int = NOW + 1) -> str:
    """Rotate a refresh token and return the id of its session."""
    _, session = records.rotate(
        presented, successor, idle_since=at - 500_000, ending=Ending(at, UNTIL)
    )
    return session.id


def test_user_comes_back_as_it_was(records: Records) -> None:
    """A user is read exactly as it was written, by id or by folded name.

    Another tenant cannot read the user.
    """
    assert records.user("acme", "u1") == ADA
    assert records.named("acme", "ada") == ADA
    assert records.users("acme", after="", limit=10) == [ADA, EVE]
    assert records.users("acme", after="u1", limit=10) == [EVE]
    assert records.password_hash("acme", "u1") == HASH
    assert records.user("other", "u1") is None
    assert records.named("other", "ada") is None
    assert records.password_login("other", "ada") is None
    assert records.password_hash("other", "u1") is None
    with pytest.raises(NoSuchTenant, match="absent"):
        records.users("absent", after="", limit=1)


def test_folded_name_is_taken_once_a_tenant(records: Records) -> None:
    """A tenant's second user with the same folded name is refused, and the error names the second
    user.
    """
    twin = replace(ADA, id="u3", username="ADA")
    with pytest.raises(NameTaken, match="ADA"):
        records.add_user(twin, "ada", HASH, act())
    assert records.user("acme", "u3") is None
    records.add_user(replace(twin, tenant="other"), "ada", HASH, act())


def test_tenants_that_take_no_users(records: Records) -> None:
    """A tenant that is absent or deleted takes no users."""
    records.delete_tenant("other", NOW + 1, act())
    with pytest.raises(NoSuchTenant):
        records.add_user(replace(ADA, id="u3", tenant="absent"), "x", HASH, act())
    with pytest.raises(TenantDeleted):
        records.add_user(replace(ADA, id="u3", tenant="other"), "x", HASH, act())


Change = Callable[[Records, str, str], None]
CHANGES: list[Change] = [
    lambda records, tenant, user: records.set_display_name(tenant, user, "x", act("done")),
    lambda records, tenant, user: records.set_rights(
        tenant, user, UserRights(role="owner"), UNTIL, act("done")
    ),
    lambda records, tenant, user: records.disable_user(tenant, user, UNTIL, act("done")),
    lambda records, tenant, user: records.enable_user(tenant, user, act("done")),
    lambda records, tenant, user: records.set_password(
        replace(ADA, id=user, tenant=tenant), "new", UNTIL, act("done")
    ),
    lambda records, tenant, user: records.end_sessions(tenant, user, UNTIL, act("done")),
    lambda records, tenant, user: records.delete_user(tenant, user, UNTIL, act("done")),
]


@pytest.mark.parametrize("change", CHANGES)
def test_other_tenants_users_cannot_be_changed(records: Records, change: Change) -> None:
    """A change of a user who does not exist in the named tenant is refused, touches no user and
    writes no audit line.
    """
    records.add_session(SESSION, "t1", HASH)
    for tenant, user in (("other", "u1"), ("acme", "absent")):
        with pytest.raises(NoSuchUser, match=user):
            change(records, tenant, user)
    assert records.user("acme", "u1") == ADA
    assert records.active_session("s1") is not None
    assert (revoked(records), acts(records)) == ([], [])


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_audited(records: Records, change: Change) -> None:
    """Each change writes one audit line, even when the change has no effect."""
    change(records, "acme", "u1")
    assert acts(records) == ["done"]


@pytest.mark.parametrize("change", [CHANGES[1], CHANGES[4], CHANGES[5]])
def test_what_ends_all_sessions(records: Records, change: Change) -> None:
    """A new role, a new password and the call that ends sessions each end all sessions of the user,
    and no session of another user.
    """
    records.add_session(SESSION, "t1", HASH)
    records.add_session(replace(SESSION, id="s2"), "t2", HASH)
    records.add_session(replace(SESSION, id="s3", user="u2"), "t3", HASH)
    change(records, "acme", "u1")
    assert [records.active_session(one) is None for one in ("s1", "s2", "s3")] == [
        True,
        True,
        False,
    ]
    assert revoked(records) == [
        ("session", "s1", "revoked", UNTIL),
        ("session", "s2", "revoked", UNTIL),
    ]
    for token in ("t1", "t2"):
        with pytest.raises(RefreshUnknown):
            rotate(records, token, "t4")
    assert rotate(records, "t3", "t4") == "s3"


def test_disabled_and_enabled(records: Records) -> None:
    """A user is revoked when disabled and active again when enabled, while the
    ended sessions stay ended.
    """
    records.add_session(SESSION, "t1", HASH)
    for at in (7, 9):
        records.disable_user("acme", "u1", UNTIL, act(at=at))
    shown = records.user("acme", "u1")
    assert shown is not None
    assert shown.disabled_at == 7
    assert revoked(records) == [
        ("session", "s1", "revoked", UNTIL),
        ("subject", "u1", "revoked", UNTIL),
    ]
    with pytest.raises(LoginOutdated, match="u1"):
        records.add_session(replace(SESSION, id="s2"), "t2", HASH)
    for _ in range(2):
        records.enable_user("acme", "u1", act())
    assert revoked(records)[1:] == [("subject", "u1", "active", None)]
    assert records.feed(after=0, limit=9).latest == 5
    assert records.active_session("s1") is None


def test_used_tokens_are_remembered_up_to_a_number(records: Records, database: Database) -> None:
    """The records keep the last 100 used refresh tokens of a session, and only the reuse of one of
    these ends the session.
    """
    records.add_session(SESSION, "t0", HASH)
    for number in range(150):
        rotate(records, f"t{number}", f"t{number + 1}", NOW + number)
    row = database.reading().row("SELECT COUNT(*) FROM refresh_tokens WHERE session = 's1'")
    assert row == (101,)
    with pytest.raises(RefreshUnknown):
        rotate(records, "t3", "x", NOW + 200)
    assert records.active_session("s1") is not None
    with pytest.raises(RefreshReused):
        rotate(records, "t60", "x", NOW + 200)
    assert records.active_session("s1") is None


def test_session_is_of_the_role_that_holds(records: Records) -> None:
    """A session has the role that the user has at the moment when the session is added."""
    login = records.password_login("acme", "ada")
    assert login is not None
    records.set_rights("acme", "u1", UserRights(role="viewer"), UNTIL, act())
    assert login.user.role != "viewer"
    assert records.add_session(SESSION, "t1", login.password_hash).role == "viewer"


def test_password_may_keep_a_session(records: Records) -> None:
    """A new password ends all sessions except the named one. A login that verified the old password
    gets no session.
    """
    records.add_session(SESSION, "t1", HASH)
    records.add_session(replace(SESSION, id="s2"), "t2", HASH)
    records.set_password(ADA, "new", UNTIL, act(at=77), keep_session="s2")
    assert [records.active_session(one) is None for one in ("s1", "s2")] == [True, False]
    assert records.password_hash("acme", "u1") == "new"
    shown = records.user("acme", "u1")
    assert shown is not None
    assert shown.password_changed_at == 77
    with pytest.raises(LoginOutdated):
        records.add_session(replace(SESSION, id="s3"), "t3", HASH)


def test_deleted_user_leaves_entries_only(records: Records, database: Database) -> None:
    """Deleting a user deletes the user's sessions and tokens. The feed reports the end of the user
    and of the sessions.
    """
    records.add_session(SESSION, "t1", HASH)
    rotate(records, "t1", "t2")
    records.delete_user("acme", "u1", UNTIL, act())
    assert records.user("acme", "u1") is None
    assert database.reading().rows("SELECT id FROM sessions WHERE tenant = 'acme'") == []
    tokens = "SELECT hash FROM refresh_tokens WHERE hash IN ('t1', 't2')"
    assert database.reading().rows(tokens) == []
    assert revoked(records) == [
        ("session", "s1", "revoked", UNTIL),
        ("subject", "u1", "revoked", UNTIL),
    ]


def test_login_has_user_hash_and_tenant(records: Records) -> None:
    """One read returns the user, the hash and whether the tenant is suspended or deleted."""
    login = records.password_login("acme", "ada")
    assert login is not None
    assert (login.user, login.password_hash, login.tenant_suspended) == (ADA, HASH, False)
    changes: list[Callable[[], None]] = [
        lambda: records.suspend("acme", act()),
        lambda: records.delete_tenant("acme", NOW * 2, act()),
    ]
    for change in changes:
        change()
        login = records.password_login("acme", "ada")
        assert login is not None
        assert login.tenant_suspended


# sessions


def test_session_comes_back_as_it_was(records: Records) -> None:
    """An active session is read as it was written, with its user."""
    records.add_session(SESSION, "t1", HASH)
    found = records.active_session("s1")
    assert found is not None
    assert (found.user, found.session) == (ADA, SESSION)
    assert records.active_session("absent") is None


def test_listed_sessions_can_go_on(records: Records) -> None:
    """The list has the user's sessions that are neither ended nor expired nor
    idle, page by page.
    """
    for number in range(1, 6):
        one = replace(SESSION, id=f"s{number}", used_at=NOW + number, expires_at=NOW + 10 * number)
        records.add_session(one, f"t{number}", HASH)
    records.add_session(replace(SESSION, id="s9", user="u2"), "t9", HASH)
    records.end_session("u1", "s4", ENDING)

    def listed(**bounds: int) -> list[str]:
        wanted = {"now": NOW, "idle_since": NOW, "limit": 9, **bounds}
        return [one.id for one in records.sessions("u1", after="", **wanted)]

    assert listed() == ["s1", "s2", "s3", "s5"]
    assert listed(now=NOW + 10) == ["s2", "s3", "s5"]
    assert listed(idle_since=NOW + 2) == ["s3", "s5"]
    assert listed(limit=2) == ["s1", "s2"]
    page = records.sessions("u1", now=NOW, idle_since=NOW, after="s2", limit=1)
    assert [one.id for one in page] == ["s3"]


def test_rotation(records: Records) -> None:
    """A rotation replaces a refresh token by its successor, records the time of
    use and revokes nothing.
    """
    records.add_session(SESSION, "t1", HASH)
    user, session = records.rotate("t1", "t2", idle_since=NOW - 1, ending=Ending(NOW + 50, UNTIL))
    assert (user, session.id) == (ADA, "s1")
    found = records.active_session("s1")
    assert found is not None
    assert found.session.used_at == NOW + 50
    assert records.refreshing("t2") == ADA
    assert rotate(records, "t2", "t3") == "s1"
    assert revoked(records) == []


def test_reuse_ends_the_session_durably(records: Records) -> None:
    """The reuse of a refresh token ends the session, although the call raises an error.

    A further reuse adds no feed entry.
    """
    records.add_session(SESSION, "t1", HASH)
    rotate(records, "t1", "t2")
    for _ in range(2):
        with pytest.raises(RefreshReused):
            rotate(records, "t1", "t3")
    assert revoked(records) == [("session", "s1", "revoked", UNTIL)]
    assert records.feed(after=0, limit=9).latest == 1
    with pytest.raises(RefreshUnknown):
        rotate(records, "t2", "t3")


def test_rotation_at_the_border_of_time(records: Records) -> None:
    """A rotation exactly at the expiry or at the idle limit is refused and does not
    use the token up.
    """
    records.add_session(SESSION, "t1", HASH)
    for at, idle_since in ((SESSION.expires_at, NOW - 1), (NOW + 9, NOW)):
        with pytest.raises(RefreshUnknown):
            records.rotate("t1", "t2", idle_since=idle_since, ending=Ending(at, UNTIL))
    records.rotate("t1", "t2", idle_since=NOW - 1, ending=Ending(SESSION.expires_at - 1, UNTIL))


def test_rotation_waits_for_the_tenant(records: Records) -> None:
    """A rotation is refused while the tenant is suspended, and does not use the token up."""
    records.add_session(SESSION, "t1", HASH)
    records.suspend("acme", act())
    with pytest.raises(RefreshSuspended, match="acme"):
        rotate(records, "t1", "t2")
    records.resume("acme", act())
    assert rotate(records, "t1", "t2") == "s1"


def together(database: Database, calls: list[Callable[[], object]]) -> list[str]:
    """Run all calls at the same time and return their outcomes, sorted: "done"
    or the error's name.
    """
    outcomes: list[str] = []
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        barrier.wait()
        try:
            call()
            outcomes.append("done")
        except Exception as error:  # noqa: BLE001 -- the test compares its name
            outcomes.append(type(error).__name__)
        finally:
            database.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


def test_of_many_rotations_at_once_one_is_done(database: Database, records: Records) -> None:
    """Of several concurrent rotations of a token one succeeds. The others are reuses and end
    the session (row 61).
    """
    records.add_session(SESSION, "t1", HASH)
    calls: list[Callable[[], object]] = [
        lambda number=number: rotate(records, "t1", f"n{number}")  # type: ignore[misc]
        for number in range(4)
    ]
    assert together(database, calls) == ["RefreshReused"] * 3 + ["done"]
    assert records.active_session("s1") is None
    assert revoked(records) == [("session", "s1", "revoked", UNTIL)]


def test_no_login_slips_past_disabling(database: Database, records: Records) -> None:
    """A user who is disabled during concurrent logins has no active session afterwards."""
    calls: list[Callable[[], object]] = [
        lambda number=number: records.add_session(  # type: ignore[misc]
            replace(SESSION, id=f"s{number}"), f"t{number}", HASH
        )
        for number in range(6)
    ]
    calls.insert(3, lambda: records.disable_user("acme", "u1", UNTIL, act()))
    outcomes = together(database, calls)
    assert set(outcomes) <= {"done", "LoginOutdated"}
    assert [records.active_session(f"s{number}") for number in range(6)] == [None] * 6
    ended = {thing for kind, thing, _, _ in revoked(records) if kind == "session"}
    assert len(ended) == outcomes.count("done") - 1


def test_session_is_ended_by_its_user_only(records: Records) -> None:
    """Only the user of a session can end it, once, with one feed entry."""
    records.add_session(SESSION, "t1", HASH)
    assert not records.end_session("u2", "s1", ENDING)
    assert not records.end_session("u1", "absent", ENDING)
    assert revoked(records) == []
    assert records.end_session("u1", "s1", ENDING)
    assert not records.end_session("u1", "s1", ENDING)
    assert revoked(records) == [("session", "s1", "revoked", UNTIL)]


@pytest.mark.parametrize("token", ["t1", "t2"])
def test_session_is_ended_by_each_of_its_tokens(records: Records, token: str) -> None:
    """The current refresh token and a used one can each end the session. An unknown
    token ends no session.
    """
    records.add_session(SESSION, "t1", HASH)
    rotate(records, "t1", "t2")
    assert not records.end_by_refresh("t9", ENDING)
    assert records.end_by_refresh(token, ENDING)
    assert not records.end_by_refresh(token, ENDING)
    assert revoked(records) == [("session", "s1", "revoked", UNTIL)]


@pytest.mark.usefixtures("all_tenants")
def test_old_sessions_are_swept_by_logins(records: Records, database: Database) -> None:
    """A login removes sessions that ended more than a day ago, with their tokens,
    and keeps younger ones.
    """
    day = 24 * 3600 * 1000
    records.add_session(SESSION, "t1", HASH)
    records.add_session(replace(SESSION, id="s2", expires_at=NOW + 9 * day), "t2", HASH)
    records.add_session(replace(SESSION, id="s3", expires_at=NOW + 9 * day), "t3", HASH)
    records.add_session(replace(SESSION, id="s0", expires_at=NOW + day + 1), "t0", HASH)
    records.end_session("u1", "s2", ENDING)
    late = replace(SESSION, id="s4", created_at=NOW + 2 * day, expires_at=NOW + 3 * day)
    records.add_session(late, "t4", HASH)
    kept = database.reading().rows("SELECT id FROM sessions ORDER BY id")
    assert kept == [("s0",), ("s3",), ("s4",)]
    tokens = database.reading().rows("SELECT hash FROM refresh_tokens ORDER BY hash")
    assert tokens == [("t0",), ("t3",), ("t4",)]


def test_purge_takes_the_people_along(records: Records) -> None:
    """A purge removes all people of the purged tenant and no person of another tenant."""
    records.add_user(replace(ADA, id="u9", tenant="other"), "ada", HASH, act())
    records.add_session(SESSION, "t1", HASH)
    rotate(records, "t1", "t2")
    records.delete_tenant("acme", 5, act(at=1))
    assert records.purge_tenant("acme", act(at=6))
    assert records.users("acme", after="", limit=9) == []
    assert records.refreshing("t2") is None
    assert len(records.users("other", after="", limit=9)) == 1
