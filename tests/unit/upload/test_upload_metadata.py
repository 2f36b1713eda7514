"""Tests of tus' Upload-Metadata."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf_upload.uploads.resumable.metadata import MAX_CHARACTERS, MalformedMetadata, parse

NAMES = st.text("abcXYZ019-_.", min_size=1, max_size=20)


@given(st.dictionaries(NAMES, st.text(max_size=50), max_size=8))
def test_what_was_sent_comes_back(fields: dict[str, str]) -> None:
    """Any names and Unicode values are parsed as they were sent."""
    sent = ", ".join(
        f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in fields.items()
    )
    assert parse(sent) == fields


@given(st.text())
def test_nothing_else_gets_through(field: str) -> None:
    """Any text gives names and values, or MalformedMetadata."""
    try:
        found = parse(field)
    except MalformedMetadata:
        return
    assert all(name and " " not in name for name in found)


@pytest.mark.parametrize(
    "field",
    [" ", ",", "a b c", "a !", "a YQ==,a YQ==", "a \xff", "a /w==", "a" * (MAX_CHARACTERS + 1)],
)
def test_nonsense(field: str) -> None:
    """Anything but a list of names with base64 of UTF-8 raises MalformedMetadata."""
    with pytest.raises(MalformedMetadata):
        parse(field)


def test_a_name_alone() -> None:
    """A name without a value has an empty value."""
    assert parse("is_confidential,filename YQ==") == {"is_confidential": "", "filename": "a"}
