"""A runner of tests in a forked child, so that a mutant affects only the child."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test

from tests.mutants.mutant import KILLED, SURVIVED, TIMED_OUT

# A test may take longer than in its run without a mutant, because the machine has other work.
_SLACK_SECONDS, _SLACK_TIMES = 2.0, 5.0
_WALL_TIMES = 4.0
# A child that used no CPU for this time waits forever. No selected test waits half as long.
_IDLE_SECONDS = 8.0
_LOOK_SECONDS = 1.0


class Failed:
    """A plugin that remembers whether a test failed, and how long its fixtures took."""

    def __init__(self) -> None:
        self.failed = False
        self.setup_seconds = 0.0

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the time of the setup, and each failure of the setup, the test or the teardown."""
        self.failed = self.failed or report.failed
        if report.when == "setup":
            self.setup_seconds = report.duration


@dataclass
class Child:
    """A running child."""

    pid: int
    wall_deadline: float
    reading: int
    folder: Path
    _cpu: str = ""
    _idle_since: float = 0.0
    _looked_at: float = 0.0

    def poll(self) -> tuple[str, str] | None:
        """Return the outcome of the child and the test that failed, or `None` while the child
        runs.

        If no test failed, the test is an empty text.
        """
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            now = time.monotonic()
            if now > self.wall_deadline or self._is_stuck(now):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                return self._end(TIMED_OUT)
            return None
        if os.WIFSIGNALED(status):
            late = os.WTERMSIG(status) in {signal.SIGXCPU, signal.SIGKILL}
            return self._end(TIMED_OUT if late else KILLED)
        return self._end(KILLED if os.WEXITSTATUS(status) else SURVIVED)

    def _is_stuck(self, now: float) -> bool:
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            # The CPU time in ticks: fields 14 and 15 of proc_pid_stat(5).
            stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii")
            cpu = " ".join(stat.rpartition(")")[2].split()[11:13])
            if cpu != self._cpu:
                self._cpu, self._idle_since = cpu, now
        return now - self._idle_since > _IDLE_SECONDS

    def _end(self, state: str) -> tuple[str, str]:
        said = os.read(self.reading, 4096).decode()
        os.close(self.reading)
        shutil.rmtree(self.folder, ignore_errors=True)
        return state, said


class Forks:
    """A starter of children. The children are forks of this process, which has collected all
    tests.
    """

    def __init__(self, session: pytest.Session, folder: Path) -> None:
        self._session = session
        self._folder = folder
        self._count = 0

    def start(self, items: Sequence[pytest.Item], mutant: str, seconds: float) -> Child:
        """Start a child that runs the tests until one fails, with the named
        mutant or without one.
        """
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir(parents=True)
        reading, writing = os.pipe()
        cpu = _SLACK_SECONDS + _SLACK_TIMES * seconds
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_CPU, (int(cpu) + 1, int(cpu) + 3))
            # A mutated sweeper that uses no folder removes files from the current folder.
            os.chdir(folder)
            quietly()
            self._child(items, mutant, writing, folder)
        os.close(writing)
        return Child(pid, time.monotonic() + _WALL_TIMES * cpu, reading, folder)

    def _child(
        self, items: Sequence[pytest.Item], mutant: str, said: int, folder: Path
    ) -> NoReturn:
        code = 3
        with suppress(BaseException):
            set_mutant_under_test(mutant)
            failed = first_failure(self._session, items, folder)
            os.write(said, failed.encode())
            code = 1 if failed else 0
        os._exit(code)


def quietly() -> None:
    """Discard all output of tests from now on."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 -- permanently


def first_failure(session: pytest.Session, items: Sequence[pytest.Item], folder: Path) -> str:
    """Run the tests in this process until one fails. Return its id, or an empty text."""
    place_temporary_files(session, folder)
    watcher = Failed()
    session.config.pluginmanager.register(watcher)
    for number, item in enumerate(items):
        run_one(session, item, items[number + 1] if number + 1 < len(items) else None)
        if watcher.failed:
            return item.nodeid
    return ""


def run_one(session: pytest.Session, item: pytest.Item, then: pytest.Item | None) -> None:
    """Run a test and keep the fixtures of the session, even after the last test."""
    following: Any = then or session
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def place_temporary_files(session: pytest.Session, folder: Path) -> None:
    """Put the folders of `tmp_path` into the child's own folder."""
    factory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    base = folder / "tmp"
    base.mkdir(exist_ok=True)
    factory._basetemp = base
