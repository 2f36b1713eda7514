"""Files for which git uses the merge driver `union` contain each line once."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MERGED = ("CHANGELOG.md", "docs/security.md")
# If two branches change a line, the merge leaves two lines with the same beginning.
_BEGINNING = 45


@pytest.mark.parametrize("name", MERGED)
def test_no_line_stands_twice(name: str) -> None:
    """No two lines of a file begin with the same 45 characters."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    # Several lines may begin with a link to the same page.
    begins = [line[:_BEGINNING] for line in lines if not line.startswith("  ([")]
    assert {one for one in begins if len(one) == _BEGINNING and begins.count(one) > 1} == set()
