"""Grants as people write them: valid and invalid grants, and the replacement of placeholders."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicekit import grants
from servicekit.grants import (
    ACTIONS,
    MAX_GRANTS,
    CompactGrant,
    Grant,
    GrantError,
    Holder,
    checked,
    filled,
    filled_in,
    require_fillable,
    shown,
)

PERSON = Holder(user_id="u1", username="ann@example.org")
PROGRAM = Holder(client="c1")


def grant(prefix: str = "", bucket: str = "photos", *actions: str) -> Grant:
    return Grant(bucket, actions or ("read",), prefix)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (grant("a/../b/"), '"..'),
        (grant("../"), '"..'),
        (grant("a//"), "empty"),
        (grant("/a"), "empty"),
        (grant("cafe\u0301/"), "NFC"),
        (grant("a\u202e/"), "U+202E"),
        (grant("x" * 300 + "/"), "255 bytes"),
        (grant("a/" * 600), "1024 bytes"),
        (grant("{group}/"), "no placeholder"),
        (grant("{user_id}}/"), "no placeholder"),
        (grant("{ user_id }/"), "no placeholder"),
        (grant("{/"), "no placeholder"),
        (grant("{{user_id}}/"), "no placeholder"),
        (grant("users/{username}"), "slash"),
        (grant("users/{username}{user_id}/"), "slash"),
        (grant("users/{username}/a/{username}-x/"), "slash"),
        (grant("", "P"), "bucket name"),
        (grant("", ""), "bucket name"),
        (grant("", "**"), "bucket name"),
        (Grant("photos", ()), "no action"),
    ],
)
def test_bad_grants_are_named(bad: Grant, reason: str) -> None:
    """A grant that breaks a rule is refused with its index in the list, and the reason."""
    with pytest.raises(GrantError) as caught:
        checked([grant(), bad])
    assert str(caught.value).startswith("grants[1]: ")
    assert reason in str(caught.value)
    assert caught.value.index == 1


def test_too_many_and_too_long() -> None:
    """A list of 100 grants is accepted; a list of 101 grants or of over 16,384 bytes is refused."""
    assert len(checked([grant(f"{number}/") for number in range(MAX_GRANTS)])) == MAX_GRANTS
    with pytest.raises(GrantError, match="There are 1000 grants; at most 100"):
        checked([grant()] * 1000)
    with pytest.raises(GrantError, match="16384 bytes"):
        checked([grant(f"{'x' * 250}/{number}/") for number in range(90)])


def test_unknown_actions_and_members_are_no_grant() -> None:
    """JSON with an unknown action or member, or with actions that are not a list, is refused."""
    for bad in (
        {"bucket": "photos", "actions": ["admin"]},
        {"bucket": "photos", "actions": ["read"], "until": 5},
        {"bucket": "photos", "actions": "read"},
        {"actions": ["read"]},
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(bad, Grant, strict=True)


def test_grants_are_kept_as_they_are_shown() -> None:
    """A stored list has the same grants as before, with each action once and in a fixed order."""
    sent = [grant("users/{user_id}/", "photos", "list", "read", "read"), grant("", "*", *ACTIONS)]
    assert shown(checked(sent)) == [
        Grant("photos", ("read", "list"), "users/{user_id}/"),
        Grant("*", ACTIONS, ""),
    ]


def test_placeholders_are_filled_in_once() -> None:
    """The value of a placeholder is text; a placeholder in the value is not replaced."""
    assert filled_in("u/{user_id}/{username}/", PERSON) == "u/u1/ann@example.org/"
    assert filled_in("in/{client}/", PROGRAM) == "in/c1/"
    for name in ("{user_id}", "{", "a}", "a/b", "../a", "{client}"):
        assert filled_in("u/{username}/", Holder("u1", name)) is None, name
        assert filled_in("u/{user_id}/", Holder("u1", name)) == "u/u1/"


@pytest.mark.parametrize(
    ("prefix", "holder", "reason"),
    [
        ("in/{client}/", PERSON, "A person has no {client}."),
        ("u/{user_id}/", PROGRAM, "A client has no {user_id}."),
        ("u/{username}/", PROGRAM, "A client has no {username}."),
        ("u/{username}/", Holder("u1", "{client}"), "brace or a slash"),
        ("u/{username}/", Holder("u1", "a/b"), "brace or a slash"),
        ("u/{username}/", Holder("u1", ".."), '".."'),
        ("u/{username}/", Holder("u1", "\u00fc" * 200), "255 bytes"),
        ("e{username}/", Holder("u1", "\u0301a"), "NFC"),
        ("x/" * 505 + "{user_id}/", Holder("u" * 32, "a"), "1024 bytes"),
    ],
)
def test_what_cannot_be_filled_in(prefix: str, holder: Holder, reason: str) -> None:
    """A holder's grant with a placeholder that has no value for the holder is refused by index."""
    kept = checked([grant(), grant(prefix)])
    with pytest.raises(GrantError) as caught:
        require_fillable(kept, holder, is_own=True)
    assert str(caught.value).startswith("grants[1]: ")
    assert reason in str(caught.value)


def test_groups_may_have_grants_for_others() -> None:
    """A group's grant with a user's placeholder gives a client nothing, and is no error."""
    kept = checked([grant("u/{user_id}/"), grant("in/{client}/"), grant("all/")])
    require_fillable(kept, PROGRAM, is_own=False)
    assert [one.prefix for one in filled(kept, PROGRAM)] == ["in/c1/", "all/"]
    assert [one.prefix for one in filled(kept, PERSON)] == ["u/u1/", "all/"]


def test_a_prefix_that_is_too_long_when_filled_in_allows_nothing() -> None:
    """A prefix that becomes too long when placeholders are replaced is omitted, not truncated."""
    long = CompactGrant("photos", "x/" * 500 + "{username}/", "r")
    assert filled([long], Holder("u1", "n" * 100)) == ()


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("read,write:photos/inbox/", Grant("photos", ("read", "write"), "inbox/")),
        ("write,read:photos/a:b/", Grant("photos", ("read", "write"), "a:b/")),
        ("read:*", Grant("*", ("read",), "")),
        ("list:photos/", Grant("photos", ("list",), "")),
        ("read:*/{user_id}/", Grant("*", ("read",), "{user_id}/")),
    ],
)
def test_grants_of_the_command_line(text: str, made: Grant) -> None:
    """A grant on the command line is one word. Parsing and writing the word does not change it."""
    assert grants.parse(text) == made
    assert grants.parse(grants.written(made)) == made


@pytest.mark.parametrize("text", ["", "photos/", "read", "read:", ":photos", "read,:photos", "x:p"])
def test_what_is_no_grant_at_the_command_line(text: str) -> None:
    """A word without actions or bucket, or with an unknown action, is refused with a sentence."""
    with pytest.raises(ValueError, match=r"\.$"):
        grants.parse(text)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.text(max_size=12), st.sets(st.sampled_from(ACTIONS))), max_size=5))
def test_any_text_is_kept_or_refused(sent: list[tuple[str, set[grants.Action]]]) -> None:
    """Any text is stored as a prefix exactly as sent, or refused with `GrantError`."""
    wanted = [Grant("photos", tuple(actions), prefix) for prefix, actions in sent]
    try:
        kept = checked(wanted)
    except GrantError:
        return
    assert [(one.prefix, set(one.actions)) for one in shown(kept)] == sent
