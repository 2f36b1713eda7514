"""`traceparent`: the fields that W3C Trace Context allows are accepted, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.traceparent import TraceParent, is_trace_id, parse

HEX = "0123456789abcdef"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FIELD = f"00-{TRACE}-{PARENT}-01"


def digits(count: int) -> st.SearchStrategy[str]:
    """Return a strategy for this number of hex digits that are not all 0."""
    return st.text(HEX, min_size=count, max_size=count).filter(lambda text: set(text) != {"0"})


@given(trace=digits(32), parent=digits(16), flags=st.integers(0, 255))
def test_what_is_well_formed_is_read(trace: str, parent: str, flags: int) -> None:
    """A well-formed field of version 00 is parsed, even with unknown flags."""
    found = parse(f"00-{trace}-{parent}-{flags:02x}")
    assert found == TraceParent(trace, parent, sampled=flags % 2 == 1)


@given(version=st.integers(1, 254), more=st.text(max_size=20))
def test_later_versions_may_say_more(version: int, more: str) -> None:
    """After a hyphen a later version may have more data, and version 00 may not."""
    assert parse(f"{version:02x}{FIELD[2:]}-{more}") == TraceParent(TRACE, PARENT, sampled=True)
    assert parse(f"{FIELD}-{more}") is None


@given(st.text(max_size=60))
def test_any_other_text_is_ignored(text: str) -> None:
    """No text causes an error, and an accepted field has a valid trace id."""
    found = parse(text)
    if found is not None:
        assert is_trace_id(found.trace_id)
        assert text[3:35] == found.trace_id


@given(place=st.integers(0, len(FIELD) - 1), character=st.characters())
def test_one_wrong_character_is_enough(place: int, character: str) -> None:
    """One wrong character makes the field invalid."""
    wrong = character != "-" if FIELD[place] == "-" else character not in HEX
    found = parse(FIELD[:place] + character + FIELD[place + 1 :])
    if wrong:
        assert found is None


@pytest.mark.parametrize(
    "field",
    [
        None,
        "",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"{FIELD}\n",
        f" {FIELD}",
        f"{FIELD},{FIELD}",
        FIELD[:-1],
        f"{FIELD}0",
    ],
)
def test_what_the_standard_forbids(field: str | None) -> None:
    """A field that the standard forbids is ignored."""
    assert parse(field) is None
