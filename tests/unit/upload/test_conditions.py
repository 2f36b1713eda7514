"""Tests of preconditions with strong entity tags, by RFC 9110 section 13."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf_upload.domain import conditions
from wharf_upload.domain.conditions import MalformedCondition, for_read, for_write

ETAG = '"now"'
MODIFIED = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT
AT = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"


def test_no_fields_are_no_condition() -> None:
    """A request without fields for preconditions has no precondition."""
    assert for_write(None, None) is None


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "current", "allowed"),
    [
        ("*", None, None, False),
        ("*", None, ETAG, True),
        (ETAG, None, ETAG, True),
        (ETAG, None, None, False),
        ('"old"', None, ETAG, False),
        ('"old", "now"', None, ETAG, True),
        ('W/"now"', None, ETAG, False),
        (None, "*", None, True),
        (None, "*", ETAG, False),
        (None, ETAG, ETAG, False),
        (None, 'W/"now"', ETAG, False),
        (None, '"old"', ETAG, True),
        (None, '"old"', None, True),
        (ETAG, "*", ETAG, False),
        (ETAG, '"old"', ETAG, True),
        ('"a,b"', None, '"a,b"', True),
        ('""', None, '""', True),
        (' , "x" ,, "now",', None, ETAG, True),
    ],
)
def test_writes(
    if_match: str | None, if_none_match: str | None, current: str | None, *, allowed: bool
) -> None:
    """If-Match compares strongly and fails without a file; If-None-Match compares weakly."""
    condition = for_write(if_match, if_none_match)
    assert condition is not None
    assert condition.allows(current) is allowed


def test_create_only_and_replace_only() -> None:
    """Create-only and replace-only are flags, so that a store can check them in one statement."""
    create = for_write(None, "*")
    assert create == conditions.WriteCondition(must_not_exist=True)
    replace = for_write('"a", W/"b"', None)
    assert replace == conditions.WriteCondition(must_exist=True, etags=('"a"', 'W/"b"'))


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        ",",
        "X*X",
        "\v*\v",
        "abc",
        '"abc',
        'abc"',
        '"a" "b"',
        '*, "a"',
        '"a", *',
        'w/"a"',
        '"a b"',
        '"a\n"',
        "'a'",
        '"a"x',
        '"a",b',
        '"' + "x" * 100000,
        "," * 100000,
        '"",' * 50000 + "x",
    ],
)
def test_malformed_lists_are_refused(value: str) -> None:
    """A malformed list of entity tags raises MalformedCondition, for writes and for reads."""
    with pytest.raises(MalformedCondition):
        for_write(value, None)
    with pytest.raises(MalformedCondition):
        for_read(ETAG, MODIFIED, if_none_match=value)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 200),
        ({"if_none_match": ETAG}, 304),
        ({"if_none_match": 'W/"now"'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"old"'}, 200),
        ({"if_none_match": '"old"', "if_modified_since": AFTER}, 200),
        ({"if_modified_since": AT}, 304),
        ({"if_modified_since": AFTER}, 304),
        ({"if_modified_since": BEFORE}, 200),
        ({"if_modified_since": "yesterday"}, 200),
        ({"if_unmodified_since": AT}, 200),
        ({"if_unmodified_since": BEFORE}, 412),
        ({"if_unmodified_since": "nonsense"}, 200),
        ({"if_match": ETAG}, 200),
        ({"if_match": "*"}, 200),
        ({"if_match": '"old"'}, 412),
        ({"if_match": 'W/"now"'}, 412),
        ({"if_match": ETAG, "if_unmodified_since": BEFORE}, 200),
        ({"if_match": '"old"', "if_none_match": ETAG}, 412),
        ({"if_match": ETAG, "if_none_match": ETAG}, 304),
        ({"if_unmodified_since": BEFORE, "if_none_match": ETAG}, 412),
        ({"if_unmodified_since": BEFORE, "if_modified_since": AFTER}, 412),
    ],
)
def test_reads_follow_the_precedence(fields: dict[str, str], status: int) -> None:
    """Reads apply the four fields in the order of RFC 9110 section 13.2.2."""
    assert for_read(ETAG, MODIFIED, **fields) == status


@pytest.mark.parametrize(
    "text",
    [AT, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"],
)
def test_all_three_date_forms_are_read(text: str) -> None:
    """IMF-fixdate, RFC 850 and asctime dates are all parsed."""
    assert conditions.http_seconds(text) == MODIFIED


@given(st.integers(0, 4_102_444_800))
def test_dates_round_trip(seconds: int) -> None:
    """A formatted date parses to the same second."""
    assert conditions.http_seconds(conditions.http_date(seconds)) == seconds


@given(st.text(max_size=80))
def test_no_date_raises(text: str) -> None:
    """Any text parses to a date or to None."""
    assert conditions.http_seconds(text) is None or isinstance(conditions.http_seconds(text), int)


def test_the_local_time_zone_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """An asctime date is UTC, in each time zone of the host."""
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    conditions._http_seconds.cache_clear()
    try:
        assert conditions.http_seconds("Sun Nov  6 08:49:37 1994") == MODIFIED
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_long_date_is_none() -> None:
    """A date of up to 64 characters is parsed, and a longer one gives None."""
    assert conditions.http_seconds(AT.ljust(64)) == MODIFIED
    assert conditions.http_seconds(AT.ljust(65)) is None
