"""tests/allowed_skips.toml lists the skips that are allowed, and each entry is still needed."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from tests.session.skips import WHEN, AllowedSkip, allowed_skips

ROOT = Path(__file__).resolve().parents[3]
ENTRIES = allowed_skips()
ROOTLESS = AllowedSkip("tests/a/*", "needs root", "not root", "why")


@cache
def code_of_tests() -> dict[str, str]:
    """Return the text of each Python file below `tests` except this file, by its path."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path != Path(__file__).resolve()
    }


@cache
def all_tests() -> list[str]:
    """Return the node ids of all tests, without parameters."""
    return [
        f"{place}::{name}"
        for place, text in code_of_tests().items()
        if place.rpartition("/")[2].startswith("test_")
        for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)
    ]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.reason)
def test_an_entry_is_of_use(entry: AllowedSkip) -> None:
    """Each entry names existing tests, a reason that occurs in a test, and a kind of run."""
    assert any(fnmatchcase(name, entry.test) for name in all_tests())
    assert any(entry.reason in text for text in code_of_tests().values())
    assert entry.when in WHEN
    assert entry.why


@pytest.mark.parametrize(
    ("test", "reason", "demanding", "allowed"),
    [
        ("tests/a/test_x.py::test_y[1]", "mounting needs root", False, True),
        ("tests/a/test_x.py::test_y[1]", "mounting needs root", True, False),
        ("tests/a/test_x.py::test_y", "no time", False, False),
        ("tests/b/test_x.py::test_y", "mounting needs root", False, False),
    ],
)
def test_only_what_is_listed_is_allowed(
    test: str, reason: str, *, demanding: bool, allowed: bool
) -> None:
    """A skip is allowed only by an entry with its test, its reason, and its kind of run."""
    assert ROOTLESS.covers(test, reason, demanding=demanding) is allowed
