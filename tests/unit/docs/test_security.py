"""docs/security.md names existing tests, and each row names at least one test."""

from __future__ import annotations

import ast
import re
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
# Rows of tables, without the heading rows and the separators below the headings.
LINES = [line for line in PAGE.splitlines() if line.startswith("| ") and "tests |" not in line]
NUMBERED = {int(line.split("|")[1]): line for line in LINES if re.match(r"\| \d+ \|", line)}
# The subjects of these rows (a scanner, webhooks) are not built.
NOT_BUILT = {36, 37, 74}
# The design paper has no row 34.
NUMBERS = set(range(1, 78)) - {34}
_TEST = re.compile(r"`(tests/[^`]+\.py)::(test_\w+|\*)`")
_ROWS = re.compile(r"\b[Rr]ows? (\d+(?:(?:, | and | to )\d+)*)")


@cache
def docstrings(file: str) -> dict[str, str]:
    """Return the docstrings of a file's tests by name. The docstring of the file has an empty
    name.
    """
    path = ROOT / file
    module = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
    found = {"": ast.get_docstring(module) or ""}
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found[node.name] = ast.get_docstring(node) or ""
    return found


def rows_of(text: str) -> set[int]:
    """Return the rows that a docstring names: "row 3", "rows 3, 5 and 7" or "rows 1 to 7"."""
    found: set[int] = set()
    for said in _ROWS.findall(text):
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", said):
            found |= set(range(int(first), int(last or first) + 1))
    return found


def named_by(line: str) -> list[tuple[str, str]]:
    """Return the tests that a line names, by file and function; `*` means all tests of a file."""
    return [(str(file), str(name)) for file, name in _TEST.findall(line)]


def rows_of_test(file: str, name: str) -> set[int]:
    """Return the rows that a test's docstring names; `*` means the file with all its tests."""
    known = docstrings(file)
    own = known.values() if name == "*" else (known.get(name, ""),)
    return set(chain.from_iterable(map(rows_of, own)))


def test_every_number_is_there() -> None:
    """Rows 1 to 77 are in the tables, each once."""
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
    assert numbers == sorted(NUMBERS)


def test_every_row_has_a_test() -> None:
    """Each row of any table names a test, or states that its subject does not exist yet."""
    assert len(LINES) > 100
    bare = {line for line in LINES if not named_by(line)}
    assert bare == {NUMBERED[number] for number in NOT_BUILT}
    assert all("not built" in line for line in bare)


def test_named_tests_exist() -> None:
    """Each test that the page names exists; a name with `*` matches at least one test."""
    for file, name in named_by(PAGE):
        known = docstrings(file)
        assert len(known) > 1 if name == "*" else name in known, f"{file}::{name}"
    # Other names that begin with `tests/` are files or folders.
    others = set(re.findall(r"`(tests/[^`]+)`", _TEST.sub("", PAGE)))
    assert {name for name in others if not (ROOT / name).exists()} == set()


def test_a_test_names_its_row() -> None:
    """For each numbered row, at least one of its tests names the row in the test's docstring."""
    assert len(NUMBERS - NOT_BUILT) > 50
    for number in NUMBERS - NOT_BUILT:
        named = {row for one in named_by(NUMBERED[number]) for row in rows_of_test(*one)}
        assert number in named


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("Row 7: a claim.", {7}),
        ("Rows 29, 41 and 43: a claim.", {29, 41, 43}),
        ("Claims (security.md rows 1 to 3, 10 to 12).", {1, 2, 3, 10, 11, 12}),
        ("Arrow 7, 8 rows of 9.", set()),
    ],
)
def test_rows_in_docstrings(text: str, rows: set[int]) -> None:
    """In a docstring, only a number after the word "row" or "rows" is the number of a row."""
    assert rows_of(text) == rows
