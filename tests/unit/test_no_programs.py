"""The guard of tests/unit/conftest.py fails a unit test that starts a program."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest

# A command that would end immediately if the guard let it start.
_NOTHING = [sys.executable, "-S", "-c", ""]


def _popen() -> None:
    with suppress(Exception):
        subprocess.run(_NOTHING, check=False)


def _system() -> None:
    os.system("exit")  # the call that is tested


def _spawn() -> None:
    os.waitpid(os.posix_spawn(_NOTHING[0], _NOTHING, {}), 0)


def _forked(fork: Callable[[], int]) -> None:
    child = fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _fork() -> None:
    _forked(os.fork)


def _terminal() -> None:
    _forked(lambda: pty.fork()[0])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("start", [_popen, _system, _spawn, _fork, _terminal])
def test_a_program_is_not_started(start: Callable[[], None]) -> None:
    """Each way to start a program fails the test, even if the test catches all exceptions."""
    with pytest.raises(pytest.fail.Exception, match="test_a_program_is_not_started"):
        start()
