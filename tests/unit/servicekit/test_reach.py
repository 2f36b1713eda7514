"""The reach of grants, which allows actions on keys, is compared with a simple loop."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from servicekit.grants import ACTIONS, EVERYTHING_COMPACT, Action, CompactGrant
from servicekit.reach import EVERYTHING, NOTHING, Reach, reach_of

BUCKETS = ("photos", "inbox", "*")
_PREFIXES = st.text("ab/", max_size=4)
_GRANTS = st.lists(
    st.builds(
        CompactGrant,
        st.sampled_from(BUCKETS),
        _PREFIXES,
        st.sets(st.sampled_from("rwdl")).map(lambda letters: "".join(sorted(letters))),
    ),
    max_size=6,
)


def said(granted: list[CompactGrant], action: Action, bucket: str, key: str) -> bool:
    """Return whether the grants allow the action, computed with a simple loop."""
    letter = {"read": "r", "write": "w", "delete": "d", "list": "l"}[action]
    return any(
        one.bucket in (bucket, "*") and letter in one.letters and key.startswith(one.prefix)
        for one in granted
    )


@given(_GRANTS, st.sampled_from(ACTIONS), st.sampled_from(["photos", "other"]), _PREFIXES)
def test_a_key_is_judged_as_the_rule_says(
    granted: list[CompactGrant], action: Action, bucket: str, key: str
) -> None:
    """A grant reaches a key if the bucket, the action and a prefix of the key are the grant's."""
    reach = reach_of(granted)
    assert reach.allows(action, bucket, key) == said(granted, action, bucket, key)
    # `covers` asks about all keys that begin with this text. The result is the same, because some
    # of these keys continue with characters that no prefix has.
    assert reach.covers(action, bucket, key) == said(granted, action, bucket, key)
    prefixes = reach.prefixes(action, bucket)
    assert key.startswith(prefixes) == reach.allows(action, bucket, key)
    assert list(prefixes) == sorted(set(prefixes))
    assert not any(a != b and a.startswith(b) for a in prefixes for b in prefixes)
    assert reach.allows_somewhere(action, bucket) == bool(prefixes)
    named = any(one.bucket in (bucket, "*") and one.letters for one in granted)
    assert reach.names(bucket) == named
    assert reach.is_whole(bucket) == all(reach.covers(one, bucket, "") for one in ACTIONS)
    if reach.is_everything:
        assert all(said(granted, one, "any", "") for one in ACTIONS)


@given(_GRANTS, _GRANTS, st.sampled_from(ACTIONS), st.sampled_from(BUCKETS[:2]), _PREFIXES)
def test_more_grants_reach_more(
    some: list[CompactGrant], more: list[CompactGrant], action: Action, bucket: str, key: str
) -> None:
    """The reach of several lists is their union."""
    both = reach_of([*some, *more]).allows(action, bucket, key)
    assert both == any(reach_of(one).allows(action, bucket, key) for one in (some, more))


def test_nothing_and_everything() -> None:
    """An empty list reaches nothing. All actions in all buckets, in one grant or several, reach
    everything.
    """
    assert reach_of(()) == NOTHING
    assert reach_of(EVERYTHING_COMPACT) is EVERYTHING
    assert reach_of((CompactGrant("*", "", "r"), CompactGrant("*", "", "wdl"))) is EVERYTHING
    for action in ACTIONS:
        assert EVERYTHING.allows(action, "any", "key")
        assert EVERYTHING.prefixes(action, "any") == ("",)
        assert not NOTHING.allows(action, "any", "key")
        assert NOTHING.prefixes(action, "any") == ()
    assert not NOTHING.names("any")


def test_text_alone_is_compared() -> None:
    """A prefix is compared as text, so `photos/a` is a prefix of `photos/ab`."""
    reach = reach_of([CompactGrant("b", "photos/a", "r"), CompactGrant("b", "caf\u00e9/", "r")])
    assert reach.allows("read", "b", "photos/ab")
    assert reach.allows("read", "b", "caf\u00e9/x")
    for key in ("Photos/a", "photos", "photos//a", "./photos/a", "cafe/x", "cafe\u0301/x", ""):
        assert not reach.allows("read", "b", key), key


def test_many_buckets_and_many_grants_for_all_of_them() -> None:
    """A grant for all buckets is stored once, not for each named bucket."""
    granted = [CompactGrant("*", f"every/{number}/", "rwdl") for number in range(800)]
    granted += [CompactGrant(f"bucket-{number}", "own/", "r") for number in range(800)]
    reach = reach_of(granted)
    assert isinstance(reach, Reach)
    places = reach.places or {}
    assert sum(len(found) for one in places.values() for found in one.values()) == 4 * 800 + 800
    assert reach.allows("read", "bucket-7", "every/799/x")
    assert len(reach.prefixes("read", "bucket-7")) == 801
