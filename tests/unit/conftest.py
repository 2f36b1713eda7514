"""A guard for all unit tests: a unit test fails when it starts a program.

Tests in the folders of PROGRAMS_ALLOWED may start Python and linters, with which they check the
repository.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.quick import (
    cheap_hashes,
    keys_checked_once,
    nginx_is_found,
    packages_found_once,
    routes_compiled_once,
)

__all__ = [
    "cheap_hashes",
    "keys_checked_once",
    "nginx_is_found",
    "packages_found_once",
    "routes_compiled_once",
]
_HERE = Path(__file__).parent
PROGRAMS_ALLOWED = frozenset({"docs", "house"})
# Python's audit events (docs.python.org, "Audit events table") before another process starts.
_STARTS = frozenset(
    {
        *("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "pty.spawn"),
        "subprocess.Popen",
    }
)


class _Guard:
    """A guard against unit tests that start a program. `running` is the id of the current test.

    The guard is an audit hook of Python, which a process cannot remove.
    """

    def __init__(self) -> None:
        self.running = ""
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        # `fail` raises an exception that no `except Exception` of the tested code catches.
        if self.running and event in _STARTS:
            pytest.fail(
                f"{self.running} starts a program: {event}{arguments[:2]!s:.200}. "
                "Such a test belongs to tests/integration (see tests/README.md)"
            )


_GUARD = _Guard()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[Any]:
    """Set the guard for the duration of a test and its fixtures."""
    # Pytest calls this hook also for tests of other folders in the same session.
    room = item.path.relative_to(_HERE).parts[0] if item.path.is_relative_to(_HERE) else ""
    _GUARD.running = item.nodeid if room and room not in PROGRAMS_ALLOWED else ""
    try:
        return (yield)
    finally:
        _GUARD.running = ""
