"""A guard for all unit tests: a unit test that starts a program fails at that call. Folders of
PROGRAMS_ALLOWED check the repository itself, with its own Python and linters.
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
    """A guard against unit tests that start a program; the running test is in `running`.

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
    """Guard the test and the fixtures that are made for it."""
    # Pytest calls this hook also for tests of other folders in the same session.
    room = item.path.relative_to(_HERE).parts[0] if item.path.is_relative_to(_HERE) else ""
    _GUARD.running = item.nodeid if room and room not in PROGRAMS_ALLOWED else ""
    try:
        return (yield)
    finally:
        _GUARD.running = ""
