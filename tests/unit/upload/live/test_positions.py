"""Where a client goes on, as text and as JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.problems import MALFORMED, ProblemError
from wharf_upload.live.positions import LAST, from_json, from_text

IN_RANGE = st.integers(0, LAST)


@given(IN_RANGE)
def test_every_number_of_an_event_is_read(number: int) -> None:
    """Both forms read what the server wrote."""
    assert from_text(str(number), "after") == from_json(number, "after") == number


@given(st.one_of(st.integers(max_value=-1), st.integers(min_value=LAST + 1)))
def test_numbers_out_of_range_are_refused(number: int) -> None:
    """No database is asked for a number that it cannot have."""
    with pytest.raises(ProblemError) as caught:
        from_text(str(number), "x")
    assert caught.value.problem is MALFORMED
    with pytest.raises(ProblemError) as caught:
        from_json(number, "x")
    assert caught.value.problem is MALFORMED


@given(st.text(min_size=1).filter(lambda text: not (text.isascii() and text.isdigit())))
def test_other_texts_are_refused(text: str) -> None:
    """Signs, blanks, underscores and digits of other scripts are no numbers here."""
    with pytest.raises(ProblemError):
        from_text(text, "x")


@given(st.one_of(st.booleans(), st.text(), st.floats(), st.lists(st.integers())))
def test_other_json_is_refused(value: object) -> None:
    """True is no number either."""
    with pytest.raises(ProblemError):
        from_json(value, "x")


def test_without_a_position() -> None:
    """Nothing and an empty field mean now."""
    assert from_text(None, "x") is None
    assert from_text("", "x") is None
    assert from_json(None, "x") is None
