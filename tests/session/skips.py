"""Fails what is skipped without being listed in tests/allowed_skips.toml."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Generator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "allowed_skips.toml"
#: Where a skip may happen: `not root` is a person's run without root's rights, never CI.
WHEN = ("anywhere", "not root")


@dataclass(frozen=True)
class AllowedSkip:
    """Tests that may be skipped, for one reason."""

    test: str
    reason: str
    when: str
    why: str

    def covers(self, test: str, reason: str, *, demanding: bool) -> bool:
        """Whether it allows this skip; `demanding` is a run where everything has to be there."""
        return (
            not (demanding and self.when == "not root")
            and fnmatchcase(test.partition("[")[0], self.test)
            and self.reason in reason
        )


def allowed_skips(file: Path = FILE) -> list[AllowedSkip]:
    """The entries of the file."""
    with file.open("rb") as stream:
        return [AllowedSkip(**entry) for entry in tomllib.load(stream)["skip"]]


def demanding() -> bool:
    """Whether nothing may be missing: in CI, and where root can install it (`make test`)."""
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
    """Turn a module that is skipped as a whole into a failure, unless it is listed."""
    report = yield
    _judge(report)
    return report
