"""Tests of the position from which a client continues, as text and as JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.problems import MALFORMED, ProblemError
from wharf_upload.live.positions import from_json, from_text


@given(st.one_of(st.integers(), st.text()))
def test_cursors_are_taken_as_they_came(cursor: int | str) -> None:
    """A cursor is kept as it was sent, as a text or as a JSON number."""
    assert from_json(cursor, "after") == (cursor, "after")
    if cursor and isinstance(cursor, str):
        assert from_text(cursor, "after") == (cursor, "after")


@given(st.one_of(st.booleans(), st.floats(), st.lists(st.integers())))
def test_other_json_is_refused(value: object) -> None:
    """A JSON value that is neither a text nor an integer is refused, even `true`."""
    with pytest.raises(ProblemError) as caught:
        from_json(value, "x")
    assert caught.value.problem is MALFORMED


def test_without_a_position() -> None:
    """A missing or empty cursor means that the client listens from now on."""
    assert from_text(None, "x") is None
    assert from_text("", "x") is None
    assert from_json(None, "x") is None
