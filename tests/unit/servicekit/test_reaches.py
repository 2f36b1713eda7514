"""The current reach of a caller: the token's grants or the feed's entry, whichever is newer."""

from __future__ import annotations

import tracemalloc

import msgspec
import pytest

from servicekit import reaches
from servicekit.grants import EVERYTHING_COMPACT, Compact, CompactGrant
from servicekit.grants_claim import GrantsClaim, GroupPart
from servicekit.problems import UNAVAILABLE, ProblemError
from servicekit.reach import EVERYTHING, NOTHING, Reach, reach_of
from servicekit.reaches import KnownReaches, Maker, ReachChange
from servicekit.tokens import Principal
from tests.unit.servicekit.callers import SCOPES, caller

A: Compact = (CompactGrant("b", "a/", "rwdl"),)
B: Compact = (CompactGrant("b", "b/", "rwdl"),)


def reached(known: KnownReaches, who: Principal) -> Reach:
    return known.resolve(who).reach


def test_what_the_feed_says_of_many_is_kept_small() -> None:
    """An entry of the feed for a person with ten grants takes less than 1,500 bytes of memory."""
    known, count = KnownReaches(), 1000
    groups = tuple(f"{number:032}" for number in range(3))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            subject = f"{number:032}"
            own = tuple(CompactGrant("photos", f"users/{subject}/{n}/", "rwdl") for n in range(10))
            change = ReachChange(1_800_000_000_000, own, SCOPES, f"person-{number}", groups)
            as_heard = msgspec.json.decode(msgspec.json.encode(change), type=ReachChange)
            known.take("reach", "t", subject, as_heard)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / count < 1500
    assert reached(known, caller(subject=f"{7:032}")).prefixes("read", "photos") == tuple(
        f"users/{7:032}/{n}/" for n in range(10)
    )


def test_nobody_without_a_word_is_touched() -> None:
    """A caller without a claim and without an entry in the feed is returned unchanged."""
    known = KnownReaches()
    who = caller()
    assert known.resolve(who) is who
    known.take("reach", "t", "another", ReachChange(5))
    known.take("group", "t", "u1", ReachChange(5))
    known.take("reach", "other-tenant", "u1", ReachChange(5))
    assert known.resolve(who) is who


def test_the_newer_word_holds() -> None:
    """An entry of the feed counts if it is not older than the token; otherwise the token counts."""
    for version, expected in ((4, A), (5, B), (6, B)):
        known = KnownReaches()
        known.take("reach", "t", "u1", ReachChange(version, B, SCOPES, "ann"))
        assert reached(known, caller(GrantsClaim(5, A, SCOPES, "ann"))) == reach_of(expected)
    known = KnownReaches()
    assert reached(known, caller(GrantsClaim(5, A, SCOPES))) == reach_of(A)


def test_a_token_without_a_claim_is_older_than_any_change() -> None:
    """A token without a claim counts as older than any entry of the feed."""
    known = KnownReaches()
    known.take("reach", "t", "u1", ReachChange(5, A, SCOPES))
    assert reached(known, caller()) == reach_of(A)
    known.take("reach", "t", "u1", ReachChange(6, EVERYTHING_COMPACT, SCOPES))
    assert reached(known, caller()) is EVERYTHING
    known.take("reach", "t", "u1", ReachChange(7))
    assert reached(known, caller()) == NOTHING


def test_scopes_are_taken_away_at_once_and_never_added() -> None:
    """A scope that the feed's entry lacks is removed from the token's scopes; no scope is added."""
    known = KnownReaches()
    claim = GrantsClaim(5, A, SCOPES)
    assert known.resolve(caller(claim)).scopes == set(SCOPES.split())
    known.take("reach", "t", "u1", ReachChange(6, A, "files:read files:delete"))
    assert known.resolve(caller(claim)).scopes == {"files:read"}
    assert known.resolve(caller()).scopes == {"files:read"}
    # A narrowed token gets no scope that it did not have.
    assert known.resolve(caller(claim, "files:write")).scopes == set()


def test_groups_add_and_their_changes_hold() -> None:
    """A group adds its grants and scopes; a newer entry of the feed for the group replaces them."""
    known = KnownReaches()
    claim = GrantsClaim(5, (), "files:read", "", (GroupPart("g1", 5, "files:write", A),))
    assert reached(known, caller(claim)) == reach_of(A)
    assert known.resolve(caller(claim)).scopes == set(SCOPES.split())
    known.take("group", "t", "g1", ReachChange(4, B, ""))  # older than the token
    assert reached(known, caller(claim)) == reach_of(A)
    known.take("group", "t", "g1", ReachChange(6, B, ""))
    assert reached(known, caller(claim)) == reach_of(B)
    assert known.resolve(caller(claim)).scopes == {"files:read"}
    known.take("group", "other", "g1", ReachChange(9, A, SCOPES))  # the same id in another tenant
    assert reached(known, caller(claim)) == reach_of(B)


def test_a_groups_grants_are_filled_in_for_each_member() -> None:
    """The placeholders in a group's grants are filled in for each member.

    A grant with a placeholder that has no value for the member is omitted.
    """
    known = KnownReaches()
    own = (CompactGrant("b", "u/{user_id}/", "r"), CompactGrant("b", "in/{client}/", "w"))
    known.take("group", "t", "g1", ReachChange(6, own, SCOPES))
    for subject, username, prefix, letters in (
        ("u1", "ann", "u/u1/", "r"),
        ("u2", "ben", "u/u2/", "r"),
        ("c1", "", "in/c1/", "w"),
    ):
        claim = GrantsClaim(5, (), "", username, (GroupPart("g1", 5, SCOPES, ()),))
        expected = reach_of([CompactGrant("b", prefix, letters)])
        assert reached(known, caller(claim, subject=subject)) == expected


def test_who_left_a_group_has_nothing_of_it() -> None:
    """The feed's entry for a member decides which groups count, not the member's token."""
    known = KnownReaches()
    claim = GrantsClaim(5, (), SCOPES, "", (GroupPart("g1", 5, "", A), GroupPart("g2", 5, "", B)))
    known.take("reach", "t", "u1", ReachChange(6, (), SCOPES, "", ("g2", "g3")))
    assert reached(known, caller(claim)) == reach_of(B)
    known.take("group", "t", "g3", ReachChange(3, A))
    assert reached(known, caller(claim)) == reach_of((*A, *B))


def test_what_was_left_out_is_waited_for() -> None:
    """If a token omits grants, requests get 503 until the feed has the grants."""
    own_left = caller(GrantsClaim(5, None, SCOPES))
    group_left = caller(GrantsClaim(5, (), SCOPES, "", (GroupPart("g1", 5),)))
    for who, kind, name in ((own_left, "reach", "u1"), (group_left, "group", "g1")):
        known = KnownReaches()
        for older in (None, ReachChange(4, A, SCOPES)):
            if older is not None:
                known.take(kind, "t", name, older)
            with pytest.raises(ProblemError) as caught:
                known.resolve(who)
            assert caught.value.problem is UNAVAILABLE
            assert ("Retry-After", "1") in caught.value.headers
        known.take(kind, "t", name, ReachChange(5, B, SCOPES))
        assert reached(known, who) == reach_of(B)


def test_memory_is_bounded_and_forgets_what_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of reaches has a maximum weight, and drops a reach when the feed changes it."""
    monkeypatch.setattr(reaches, "_MEMORY_WEIGHT", 50)
    known = KnownReaches()
    for number in range(200):
        claim = GrantsClaim(number, A * 8, SCOPES)
        assert reached(known, caller(claim)) == reach_of(A)
        assert len(known._memory) <= 5
        assert known._memory.weight < 50 + 12
    known.take("reach", "t", "u1", ReachChange(500, B, SCOPES))
    assert reached(known, caller(GrantsClaim(199, A * 8, SCOPES))) == reach_of(B)


# Links


def test_a_link_ends_with_its_makers_right() -> None:
    """A link is valid while its maker may read the key, after each change of the maker's grants."""
    known = KnownReaches()
    maker = known.maker_of(caller(GrantsClaim(5, A, SCOPES)), "b", "a/")
    assert maker == Maker("u1", 5)
    assert known.still_reads("t", maker, "b", "a/x")
    known.take("reach", "t", "u1", ReachChange(5, A, SCOPES))  # the link's own state
    assert known.still_reads("t", maker, "b", "a/x")
    known.take("reach", "t", "u1", ReachChange(6, (CompactGrant("b", "a/x", "r"),), SCOPES))
    assert known.still_reads("t", maker, "b", "a/x")
    assert not known.still_reads("t", maker, "b", "a/y")
    known.take("reach", "t", "u1", ReachChange(7, A, "files:write"))
    assert not known.still_reads("t", maker, "b", "a/x")
    known.take("reach", "t", "u1", ReachChange(8))
    assert not known.still_reads("t", maker, "b", "a/x")
    assert known.still_reads("other", maker, "b", "a/x")


def test_a_link_of_somebody_without_a_list() -> None:
    """A link of a maker without a list of grants is valid until a list excludes the key."""
    known = KnownReaches()
    maker = known.maker_of(caller(), "b", "")
    assert maker == Maker("u1")
    assert known.still_reads("t", maker, "b", "b/x")
    known.take("reach", "t", "u1", ReachChange(1, A, SCOPES))
    assert not known.still_reads("t", maker, "b", "b/x")
    assert known.still_reads("t", maker, "b", "a/x")
    # The link is made after the change, with a token from before the change.
    assert known.maker_of(caller(), "b", "a/") == Maker("u1", 1)


@pytest.mark.parametrize("own", [(), EVERYTHING_COMPACT])
@pytest.mark.parametrize("own_scopes", ["", SCOPES])
def test_a_link_by_right_of_a_group(own: Compact, own_scopes: str) -> None:
    """A link that needs a group's grants or scope ends when the group loses them.

    The link also ends when the service no longer knows the group.
    """
    known = KnownReaches()
    claim = GrantsClaim(5, own, own_scopes, "ann", (GroupPart("g1", 5, SCOPES, A),))
    known.take("group", "t", "g1", ReachChange(5, (CompactGrant("b", "a/", "r"),), SCOPES))
    maker = known.maker_of(caller(claim), "b", "a/")
    alone = bool(own) and bool(own_scopes)
    assert known.still_reads("t", maker, "b", "a/x")
    assert KnownReaches().still_reads("t", maker, "b", "a/x") == alone
    # Neither the grants nor the scope of the group remain.
    known.take("group", "t", "g1", ReachChange(6))
    assert known.still_reads("t", maker, "b", "a/x") == alone
    # The group must give what the maker lacks: either the scope or the grants.
    known.take("group", "t", "g1", ReachChange(7, (), SCOPES))
    assert known.still_reads("t", maker, "b", "a/x") == bool(own)
    known.take("group", "t", "g1", ReachChange(8, A, ""))
    assert known.still_reads("t", maker, "b", "a/x") == bool(own_scopes)
