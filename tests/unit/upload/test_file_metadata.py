"""Tests of the limits on a file's metadata."""

from __future__ import annotations

import pytest

from wharf_upload.domain.file_metadata import MetadataTooLarge, check

MOST = "v" * 1024


def refusal(metadata: dict[str, str]) -> str:
    """Return the sentence with which the metadata are refused."""
    with pytest.raises(MetadataTooLarge) as caught:
        check(metadata)
    return str(caught.value)


def test_the_longest_name_and_value() -> None:
    """A name and a value may each have 1024 characters."""
    check({MOST: MOST})


@pytest.mark.parametrize("metadata", [{"n" * 1025: "v"}, {"a": "b", "n" * 40: MOST + "v"}])
def test_a_longer_one_is_named(metadata: dict[str, str]) -> None:
    """A longer name or value is refused, with the first 40 characters of the name."""
    assert refusal(metadata) == (
        "each name and each value of metadata has at most 1024 characters; "
        f"{'n' * 40} or its value is longer."
    )


def test_all_together_have_a_limit() -> None:
    """8192 bytes of JSON are accepted, and one byte more is refused."""
    metadata = {f"name{number}": MOST for number in range(7)}
    room = 8192 - len('{"":""}') - sum(len(f'"name{n}":"{MOST}",') for n in range(7))
    check(metadata | {"": "v" * room})
    assert (
        refusal(metadata | {"": "v" * (room + 1)}) == "metadata takes at most 8192 bytes of JSON."
    )
