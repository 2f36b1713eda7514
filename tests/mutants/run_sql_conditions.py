"""Remove each tenant condition from each SQL statement and run the tests that execute the
statement.

`python -m tests.mutants.run_sql_conditions [--only=WORDS] [arguments of pytest]` runs the tests
once and notes their statements. Then, for each condition, a forked child removes the condition and
runs the statement's tests, the fastest first, until one fails. `--only` selects the statements
that contain these words. If no test fails without a condition, and `sql_reasons.toml` has no
reason, the condition is printed and the exit status is 1.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import tomllib
from collections import defaultdict
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from tests.mutants.sql_conditions import Mutant, mutants_of, normalised, passing_through, without

_SUITES = ("tests/contract/records", "tests/contract/auth", "tests/contract/live")
_REASONS = Path(__file__).with_name("sql_reasons.toml")
# Without a condition a loop may run forever.
_SECONDS = 60
_SURVIVED, _KILLED = 3, 4


class SqlConditions:
    """A pytest plugin that first runs the tests unchanged. Then, for each tenant condition, the
    plugin runs the tests of the statement without the condition.
    """

    def __init__(self, only: str) -> None:
        self._only = only
        self._seconds: dict[pytest.Item, float] = {}
        self.tests: defaultdict[Mutant, list[pytest.Item]] = defaultdict(list)
        self.survivors: list[Mutant] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests unchanged and then for each mutant, in place of pytest's own loop."""
        for item in session.items:
            self._note(item)
        if self._is_killed(None):
            pytest.exit("a test fails in a child without any change", 2)
        for number, mutant in enumerate(sorted(self.tests), 1):
            begun = time.monotonic()
            is_killed = self._is_killed(mutant)
            if not is_killed:
                self.survivors.append(mutant)
            say(
                f"{number}/{len(self.tests)} {'killed' if is_killed else 'SURVIVED'}, "
                f"{len(self.tests[mutant])} tests, {time.monotonic() - begun:.1f} s: {mutant}"
            )
        return True

    def _note(self, item: pytest.Item) -> None:
        """Run a test unchanged and note the tenant conditions of its statements."""
        seen: set[Mutant] = set()

        def note(sql: str) -> str:
            seen.update(mutants_of(sql))
            return sql

        begun = time.monotonic()
        with passing_through(note):
            if fails(item):
                pytest.exit(f"{item.nodeid} fails without any change", 2)
        self._seconds[item] = time.monotonic() - begun
        for mutant in seen:
            if self._only in mutant.statement:
                self.tests[mutant].append(item)

    def _is_killed(self, mutant: Mutant | None) -> bool:
        """Tell whether a test fails in a child with the mutant. `None` stands for the unchanged
        code with all tests.
        """
        sys.stdout.flush()
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != _SURVIVED
        status = _KILLED
        try:
            signal.alarm(_SECONDS if mutant else 0)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            status = self._judged(mutant)
        finally:
            os._exit(status)

    def _judged(self, mutant: Mutant | None) -> int:
        def mutate(sql: str) -> str:
            if mutant is None or normalised(sql) != mutant.statement:
                return sql
            return without(sql, mutant.number)

        tests = self._seconds if mutant is None else self.tests[mutant]
        with passing_through(mutate):
            is_killed = any(map(fails, sorted(tests, key=self._seconds.__getitem__)))
        return _KILLED if is_killed else _SURVIVED


class _Session:
    """A stand-in for the next item, so that only the fixtures of the session outlive a test."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session

    def listchain(self) -> list[pytest.Session]:
        """Return the collectors that the next test needs."""
        return [self._session]


def fails(item: pytest.Item) -> bool:
    """Run a test and tell whether it or one of its fixtures fails."""
    after = _Session(item.session)
    reports = runtestprotocol(item, log=False, nextitem=after)  # type: ignore[arg-type]
    return any(report.failed for report in reports)


def say(line: str) -> None:
    """Print a line immediately."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run the tests and return the exit status."""
    only = next((word[7:] for word in arguments if word.startswith("--only=")), "")
    rest = [word for word in arguments if not word.startswith("--only=")]
    plugin = SqlConditions(only)
    suites = [] if any(Path(word.split("::")[0]).exists() for word in rest) else _SUITES
    options = ["-q", "-p", "no:cacheprovider", "--timeout=0", "-s"]
    if suites:  # without slow tests that use only one tenant
        options += ["-k", "not scale and not crowds and not migrations"]
    status = pytest.main([*options, *rest, *suites], [plugin])
    reasons: dict[str, str] = tomllib.loads(_REASONS.read_text())
    left = [
        mutant
        for mutant in plugin.survivors
        if not any(fnmatchcase(str(mutant), pattern) for pattern in reasons)
    ]
    for mutant in left:
        say(f"survived without a reason: {mutant}")
    say(f"{len(plugin.tests)} conditions: {len(plugin.survivors)} survived, {len(left)} of them")
    say("without a reason in tests/mutants/sql_reasons.toml")
    return int(status) or bool(left)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
