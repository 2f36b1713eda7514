"""Tests of the Range and If-Range fields of files on an object store."""

from __future__ import annotations

import pytest

from wharf_upload.domain.conditions import for_range, http_date
from wharf_upload.domain.ranges import NoSuchRange, one_range

TAG = '"5f1c"'
MODIFIED = 1_795_000_000


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("bytes=0-0", "bytes=0-0"),
        ("bytes=10-19", "bytes=10-19"),
        ("bytes=990-", "bytes=990-999"),
        ("bytes=990-5000", "bytes=990-999"),
        ("bytes=-1", "bytes=999-999"),
        ("bytes=-5000", "bytes=0-999"),
        ("BYTES= 1-2 ", "bytes=1-2"),
        ("bytes=0-1,3-4", ""),
        ("bytes=2-1", ""),
        ("bytes=5000-1", ""),
        ("bytes=-", ""),
        ("bytes=", ""),
        ("bytes=a-b", ""),
        ("bytes=0-1;q=1", ""),
        ("bytes=0-\u0663", ""),
        ("lines=0-1", ""),
        ("bytes=" + "9" * 5000 + "-", ""),
    ],
)
def test_one_range(field: str, wanted: str) -> None:
    """A single range is cut at the end of a file of 1000 bytes; any other Range is ignored."""
    assert one_range(field, 1000) == wanted


@pytest.mark.parametrize(
    ("field", "size"), [("bytes=1000-", 1000), ("bytes=1000-2000", 1000), ("bytes=-0", 1000),
                        ("bytes=0-", 0), ("bytes=-5", 0)]
)  # fmt: skip
def test_past_the_end(field: str, size: int) -> None:
    """A range that begins after the last byte, or has no bytes, raises NoSuchRange."""
    with pytest.raises(NoSuchRange) as caught:
        one_range(field, size)
    assert str(caught.value) == field


@pytest.mark.parametrize(
    ("if_range", "holds"),
    [
        (None, True),
        (TAG, True),
        (f" {TAG} ", True),
        (f"X{TAG}X", False),
        (f"\v{TAG}\v", False),
        (f"W/{TAG}", False),
        ('"other"', False),
        (http_date(MODIFIED), True),
        (http_date(MODIFIED + 1), False),
        (http_date(MODIFIED - 1), False),
        (f'{http_date(MODIFIED)}"', False),
        ("nonsense", False),
        ("*", False),
    ],
)
def test_if_range(if_range: str | None, *, holds: bool) -> None:
    """A range applies only if If-Range is absent or has the file's own strong tag or exact date."""
    assert for_range(TAG, MODIFIED, if_range) is holds
