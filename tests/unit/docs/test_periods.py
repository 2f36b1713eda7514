"""docs/periods.md names for each period the settings and constants that make it, and its test."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/periods.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
PAGES = sorted(
    page
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    if page.name not in {"periods.md", "settings.md", "benchmark.md", "scale.md", "capacity.md"}
)
_UNITS = {"ms": 0.001, "s": 1, "second": 1, "minute": 60, "hour": 3600, "day": 86400}
_UNITS |= {"min": 60, "h": 3600, "week": 7 * 86400, "month": 30 * 86400}
_WORDS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "ten": 10}
_PERIOD = re.compile(r"(\d[\d,.]*|an?|one|two|three|four|five|ten|half an) (\w+)")
_ROW = re.compile(r"^\| ([^|`]+) \| ([^|]+) \| ([^|]+) \| ([^|]*`tests/[^|]+) \|$", re.MULTILINE)
_VALUE = re.compile(r"`([A-Za-z_][\w.]*)` = (\d[\d.]*)( at most)?")
_TEXT = re.compile(r"`([^`]+)` in `([^`]+/[^`]+)`")
# Promises about a change or a wait; figures from measurements do not use these words.
_PROMISE = re.compile(
    r"(?:within|after at most|for at most|at most once in) (?:up to )?"
    r"((?:\d[\d,.]*|an?|one|two|three|four|five|ten|half an) "
    r"(?:s|ms|min|h|seconds?|minutes?|hours?|days?|weeks?)\b)"
)


class Row(NamedTuple):
    """A row of the page: its cells, and the period in seconds if the period is a number."""

    seconds: float | None
    what: str
    made_by: str
    tests: str


def seconds_of(text: str) -> float | None:
    """Return a period of docs/periods.md in seconds, or `None` if the period is not a number."""
    found = _PERIOD.fullmatch(text.strip())
    if found is None:
        return None
    number, unit = found.groups()
    if number == "half an":
        return 0.5 * _UNITS[unit.removesuffix("s") or "s"]
    count = float(_WORDS.get(number) or number.replace(",", ""))
    return count * _UNITS[unit if unit in _UNITS else unit.removesuffix("s")]


ROWS = [Row(seconds_of(period), *cells) for period, *cells in _ROW.findall(PAGE)]


def defaults() -> dict[str, float]:
    """Return the defaults of the settings in seconds in docs/settings.md."""
    rows = re.findall(r"^\| `(WHARF_\w+)` \| `(\d+)`[^|]*\| (\w*) *\|", SETTINGS, re.MULTILINE)
    found = {name: float(value) for name, value, unit in rows if unit == "seconds"}
    days = {name: 86400 * float(value) for name, value, _ in rows if name.endswith("_DAYS")}
    return found | days


def value_of(name: str) -> float:
    """Return a constant of the code, or the default of a setting, in seconds."""
    if name.startswith("WHARF_"):
        return defaults()[name]
    module, _, constant = name.rpartition(".")
    value = getattr(importlib.import_module(module), constant)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value) / (1000 if constant.endswith("MILLISECONDS") else 1)


def values(row: Row) -> Iterator[tuple[str, float, float, bool]]:
    """Yield a value's name, its number on the page and in the code, and whether it is a maximum."""
    for name, said, part in _VALUE.findall(row.made_by):
        factor = 86400 if name.endswith("_DAYS") else 1
        yield name, factor * float(said), value_of(name), bool(part)


def test_there_are_rows() -> None:
    """The test reads each row of each table, so it ignores no row with another form."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    headings = [line for line in lines if line.startswith("| period |")]
    assert len(ROWS) == len(lines) - len(headings) > 60


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what[:40])
def test_a_row_says_what_the_code_has(row: Row) -> None:
    """The values of a row equal those of the code, and their sum is at most the period."""
    found = list(values(row))
    texts = _TEXT.findall(row.made_by)
    assert found or texts or row.made_by == "nothing keeps it"
    for name, said, is_so, _ in found:
        assert said == is_so, name
    for text, file in texts:
        assert text in (ROOT / file).read_text(encoding="utf-8")
    if found and row.seconds is not None:
        whole = [said for _, said, _, part in found if not part]
        if len(whole) == len(found) == 1:
            assert whole[0] == row.seconds
        assert max(said for _, said, _, _ in found) <= row.seconds
        assert sum(whole) <= row.seconds


def test_each_setting_in_seconds_has_a_row() -> None:
    """Each setting in seconds has a row."""
    named = {name for row in ROWS for name, *_ in values(row)}
    assert set(defaults()) - named == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_promises_have_a_row(page: Path) -> None:
    """Each period that another page promises is the period of a row."""
    known = {row.seconds for row in ROWS}
    text = " ".join(page.read_text(encoding="utf-8").split())
    missing = [said for said in _PROMISE.findall(text) if seconds_of(said) not in known]
    assert missing == []


def test_named_tests_exist() -> None:
    """Each test that the page names exists."""
    missing = set()
    for name in {name for row in ROWS for name in re.findall(r"`(tests/[^`]+)`", row.tests)}:
        file, _, function = name.partition("::")
        path = ROOT / file
        tree = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
        functions = {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}
        tests = {one for one in functions if one.startswith("test_")}
        if not (tests if function == "*" else function in tests):
            missing.add(name)
    assert missing == set()
