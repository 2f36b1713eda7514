"""Tests of event cursors, and of how long numbers from before the update are accepted."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from servicekit.problems import MALFORMED, Problem, ProblemError
from wharf_upload.http.event_cursors import LAST, Cursor, EventCursors, cursor_of
from wharf_upload.problems import EVENT_CURSOR_EXPIRED

DAY = 24 * 3600
KEPT_SECONDS = 90 * DAY
NUMBERS = st.integers(0, LAST)


def cursors(seconds: float | None, kept_seconds: int = KEPT_SECONDS) -> EventCursors:
    """Return the `EventCursors` of an installation that was updated `seconds` ago.

    If `seconds` is `None`, the installation is new.
    """
    if seconds is None:
        return EventCursors(None, kept_seconds)
    return EventCursors(5000, kept_seconds, lambda: 5000 + int(seconds * 1000))


def refusal(cursor: Cursor, seconds: float | None = None) -> Problem:
    """Return the problem with which the cursor is refused."""
    with pytest.raises(ProblemError) as caught:
        cursors(seconds).read("demo", cursor, "after")
    assert caught.value.detail is not None
    assert "after" in caught.value.detail
    return caught.value.problem


@given(NUMBERS, st.sampled_from([None, 0, 2 * DAY, 100 * DAY]))
def test_what_was_written_is_read(number: int, seconds: float | None) -> None:
    """Each number is read back from its cursor, no matter when the installation was updated."""
    same = cursors(seconds)
    assert same.read("demo", same.write("demo", number), "after") == number


@given(NUMBERS)
def test_a_cursor_is_no_number(number: int) -> None:
    """A cursor has 16 base64 characters and begins with a letter, so it cannot be a number."""
    cursor = cursor_of("demo", number)
    assert len(cursor) == 16
    assert cursor[0].isalpha()


@given(NUMBERS, st.text(min_size=1).filter(lambda name: name != "demo"))
def test_another_tenants_cursor_is_refused(number: int, tenant: str) -> None:
    """A cursor that another tenant received is refused."""
    assert refusal(cursor_of(tenant, number)) is MALFORMED


@given(st.text())
@example("AAY3aFbVwAA\n6gcR")
@example("1_0")
@example("+7")
@example("٣")
@example("9223372036854775808")
def test_nonsense_is_refused(text: str) -> None:
    """A text that no page contained is refused, before any query of the database."""
    if text.isascii() and text.isdigit() and int(text) == 0:
        return
    assert refusal(text) is MALFORMED


@pytest.mark.parametrize("number", [-1, LAST + 1])
def test_numbers_out_of_range_are_refused(number: int) -> None:
    """A number out of range is refused, before any query of the database."""
    assert refusal(number, 0) is MALFORMED
    assert refusal(str(number), 0) is MALFORMED


@pytest.mark.parametrize("number", [LAST + 1, (1 << 64) - 1])
def test_a_made_up_cursor_is_no_number_that_a_database_refuses(number: int) -> None:
    """A forged cursor with a number of 64 bits is refused, before any query of the database."""
    assert refusal(cursor_of("demo", number)) is MALFORMED


def test_characters_that_base64_would_skip_are_refused() -> None:
    """A cursor with other characters is refused, so each number has exactly one cursor."""
    cursor = cursor_of("demo", 7)
    assert refusal(cursor[:4] + "!" + cursor[5:]) is MALFORMED
    assert refusal(urlsafe_b64encode(b"seven").decode()) is MALFORMED


@pytest.mark.parametrize("cursor", [41, "41"])
def test_numbers_of_before_are_read_while_their_events_may_be_there(cursor: Cursor) -> None:
    """A number is read for `WHARF_EVENT_SECONDS` after an update, never in a new installation."""
    assert cursors(KEPT_SECONDS - 1).read("demo", cursor, "after") == 41
    assert refusal(cursor, KEPT_SECONDS) is EVENT_CURSOR_EXPIRED
    assert refusal(cursor) is MALFORMED


@pytest.mark.parametrize("seconds", [None, 0, 1000 * DAY])
def test_zero_is_the_beginning_for_ever(seconds: float | None) -> None:
    """0 means the beginning, as a number and as a text, at any time."""
    assert cursors(seconds).read("demo", 0, "after") == 0
    assert cursors(seconds).read("demo", "0", "after") == 0


def test_numbers_are_given_on_the_first_day_only() -> None:
    """For a day after the update, or half of a shorter `WHARF_EVENT_SECONDS`, pages show numbers
    in place of cursors.
    """
    assert cursors(DAY - 1).write("demo", 41) == 41
    assert cursors(DAY).write("demo", 41) == cursor_of("demo", 41)
    assert cursors(1799, 3600).write("demo", 41) == 41
    assert cursors(1800, 3600).write("demo", 41) == cursor_of("demo", 41)
