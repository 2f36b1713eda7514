"""Files that git merges by union have each line once."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MERGED = ("CHANGELOG.md", "docs/security.md")
# Two branches that change a line leave both of its forms, which begin alike.
_BEGINNING = 45


@pytest.mark.parametrize("name", MERGED)
def test_no_line_stands_twice(name: str) -> None:
    """No two lines of a file begin with the same words."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    # Links to one page may begin several lines.
    begins = [line[:_BEGINNING] for line in lines if not line.startswith("  ([")]
    assert {one for one in begins if len(one) == _BEGINNING and begins.count(one) > 1} == set()
