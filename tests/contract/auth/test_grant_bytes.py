"""Counting of grant lists against the tenant's limit, to the byte, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from servicekit.database import Database
from servicekit.grants import Compact, CompactGrant
from tests.servers.auth import act
from wharf_auth.database.contract import Client, Secret, Tenant
from wharf_auth.database.groups_contract import ClientChange, Group, GroupChange, UserRights
from wharf_auth.database.people_contract import User
from wharf_auth.database.sql import SqlRecords
from wharf_auth.domain.limits import LimitReached, TenantLimits

NOW = 1_795_000_000_000


def below(*names: str) -> Compact:
    return tuple(CompactGrant("photos", f"{name}/", "rw") for name in names)


NAME, ID = "a" * 40, "c" * 32
ADA = User("u1", "acme", NAME, "Ada", "editor", NOW, NOW, grants=below("{username}", "x"))
CLIENT = Client(ID, "acme", "x", ("files:read",), NOW, grants=below("{client}", "x"))
TEAM = Group("g1", "acme", "Team", (), below("x"), NOW, NOW)
SECRET = Secret("k1", "h", "h", NOW)
BEFORE = {"user": below(NAME, "x"), "client": below(ID, "x"), "group": below("x")}


def add_user(of: SqlRecords, grants: Compact) -> None:
    user = replace(ADA, id="u2", username="b" * 40, grants=grants)
    of.add_user(user, "other", "hash", act())


def add_client(of: SqlRecords, grants: Compact) -> None:
    client = replace(CLIENT, id="d" * 32, grants=grants)
    of.add_client(client, replace(SECRET, id="k2"), act())


def add_group(of: SqlRecords, grants: Compact) -> None:
    of.add_group(replace(TEAM, id="g2", name="Two", grants=grants), "two", act())


def change_user(of: SqlRecords, grants: Compact) -> None:
    of.set_rights("acme", "u1", UserRights(grants=grants), 1, act())


def change_client(of: SqlRecords, grants: Compact) -> None:
    of.change_client("acme", CLIENT.id, ClientChange(grants=grants), act())


def change_group(of: SqlRecords, grants: Compact) -> None:
    of.change_group("acme", "g1", GroupChange(grants=grants), act())


# The call, the kind of list that it replaces, its grants, and the longer form of these grants:
# as stored or as in the feed.
Way = tuple[Callable[[SqlRecords, Compact], None], str, Compact, Compact]
WAYS: dict[str, Way] = {
    "add user": (add_user, "", below("{username}/{user_id}"), below("b" * 40 + "/u2")),
    "add user shorter": (add_user, "", below("{user_id}"), below("{user_id}")),
    "add client": (add_client, "", below("{client}"), below("d" * 32)),
    "add group": (add_group, "", below("{username}"), below("{username}")),
    "change user": (
        change_user,
        "user",
        below("{username}/{user_id}", "{username}"),
        below(f"{NAME}/u1", NAME),
    ),
    "change client": (change_client, "client", below("{client}", "{client}"), below(ID, ID)),
    "change group": (change_group, "group", below("{username}"), below("{username}")),
    "change group by a byte": (change_group, "group", below("xy"), below("xy")),
}


def length(grants: Compact) -> int:
    return len(msgspec.json.encode(grants))


@pytest.fixture
def before(database: Database) -> int:
    """Add a user, a client and a group with lists of grants, and a user without a list.

    Return the number of bytes that these lists count.
    """
    records = SqlRecords(database)
    records.add_tenant(Tenant("acme", "Acme", NOW), act())
    records.add_user(ADA, "ada", "hash", act())
    records.add_user(replace(ADA, id="u0", grants=None), "eve", "hash", act())
    records.add_client(CLIENT, SECRET, act())
    records.add_group(TEAM, "team", act())
    return sum(length(grants) for grants in BEFORE.values())


@pytest.mark.parametrize("name", WAYS)
def test_a_list_counts_to_the_byte(database: Database, before: int, name: str) -> None:
    """A list of grants is accepted up to the exact limit of bytes.

    A list counts with the longer of its two forms: as stored, or as in the feed. If a new list
    replaces an old one, only the new list counts.
    """
    do, old, grants, counted = WAYS[name]
    most = before + length(counted) - (length(BEFORE[old]) if old else 0)
    with pytest.raises(LimitReached) as refused:
        do(SqlRecords(database, limits=TenantLimits(grant_bytes=most - 1)), grants)
    assert (refused.value.limited, refused.value.most) == ("grant bytes", most - 1)
    do(SqlRecords(database, limits=TenantLimits(grant_bytes=most)), grants)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (change_user, below("{username}", "y")),
        (change_client, below("{client}", "y")),
        (change_group, below("y")),
    ],
)
def test_a_list_as_long_as_before_is_taken_above_the_limit(
    database: Database, before: int, change: Callable[[SqlRecords, Compact], None], same: Compact
) -> None:
    """A tenant above its limit may replace a list by a list that is not longer."""
    assert before > 1
    change(SqlRecords(database, limits=TenantLimits(grant_bytes=1)), same)
