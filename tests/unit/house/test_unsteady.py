"""Failed tests that `.ci/tests` may run a second time (ADR 71)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.session.unsteady import unsteady

FAILED = '<testcase classname="tests.unit.test_a" name="test_b{}"><failure message="no&#10;more"/>'
PASSED = '<testcase classname="tests.unit.test_a" name="test_c"/>'
BROKEN = (
    '<testcase classname="tests.unit.test_a" name="test_d"><error message="no stack"/></testcase>'
)


def report(folder: Path, *cases: str) -> Path:
    file = folder / "report.xml"
    file.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    return file


def failures(count: int) -> list[str]:
    return [f"{FAILED.format(number)}</testcase>" for number in range(count)]


def test_few_failures_are_named_with_their_cause(tmp_path: Path) -> None:
    """Up to three failed tests may run a second time; the output names each test and its cause."""
    found = unsteady(report(tmp_path, PASSED, *failures(3)))
    assert found == [f"tests.unit.test_a::test_b{number}: no" for number in range(3)]


@pytest.mark.parametrize(
    "cases",
    [[], [PASSED], failures(4), [*failures(1), BROKEN], [BROKEN]],
    ids=["none ran", "none failed", "many", "a setup too", "a setup"],
)
def test_what_is_never_tried_again(tmp_path: Path, cases: list[str]) -> None:
    """A run is not repeated if a setup failed, if more than three tests failed, or if no test
    failed.
    """
    assert unsteady(report(tmp_path, *cases)) == []


def test_a_run_that_was_cut_short(tmp_path: Path) -> None:
    """A run without a report is not repeated."""
    assert unsteady(tmp_path / "absent.xml") == []
