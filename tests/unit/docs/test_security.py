"""docs/security.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
ROWS = {
    int(number): cells for number, cells in re.findall(r"^\| (\d+) \|(.*)\|$", PAGE, re.MULTILINE)
}
# Nothing of what they speak of is built.
LATER = {74}


def test_every_row_is_there() -> None:
    """Rows 49 to 77 each have a test, but those of parts that are not built."""
    assert set(ROWS) == set(range(49, 78))
    assert {number for number, cells in ROWS.items() if "::" not in cells} == LATER


def test_named_tests_exist() -> None:
    """Each file is there, and holds the function that the page names, in any of its tables."""
    named = set(re.findall(r"`(tests/[^`]+::[^`]+)`", PAGE))
    assert len(named) > len(ROWS)
    missing = set()
    for name in named:
        file, _, function = name.partition("::")
        path = ROOT / file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        wanted = "def test_" if function == "*" else f"def {function}("
        if f"\n{wanted}" not in text:
            missing.add(name)
    assert missing == set()
