"""A plugin that fails each skipped test that tests/allowed_skips.toml does not list."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Generator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "allowed_skips.toml"
#: The runs in which a skip is allowed: `not root` is a run without root's rights, never CI.
WHEN = ("anywhere", "not root")


@dataclass(frozen=True)
class AllowedSkip:
    """Tests that may be skipped for one reason."""

    test: str
    reason: str
    when: str
    why: str

    def covers(self, test: str, reason: str, *, demanding: bool) -> bool:
        """Tell whether this skip is allowed. In a `demanding` run no requirement may be missing."""
        return (
            not (demanding and self.when == "not root")
            and fnmatchcase(test.partition("[")[0], self.test)
            and self.reason in reason
        )


def allowed_skips(file: Path = FILE) -> list[AllowedSkip]:
    """Return the entries of the file."""
    with file.open("rb") as stream:
        return [AllowedSkip(**entry) for entry in tomllib.load(stream)["skip"]]


def demanding() -> bool:
    """Tell whether no requirement of a test may be missing: in CI, and as root, who can
    install it (`make test`).
    """
    return bool(os.environ.get("CI")) or os.geteuid() == 0


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    found = report.longrepr
    reason = str(found[2] if isinstance(found, tuple) else found).removeprefix("Skipped: ")
    listed = allowed_skips()
    if not any(one.covers(report.nodeid, reason, demanding=demanding()) for one in listed):
        report.outcome = "failed"
        report.longrepr = f"skipped, which {FILE.name} does not allow here: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip that is not listed into a failure of the test."""
    report = yield
    _judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skipped module into a failure, unless the skip is listed."""
    report = yield
    _judge(report)
    return report
