"""A unit test starts no program: one that does fails where it starts it.

Folders of PROGRAMS_ALLOWED check the checkout itself, with its own Python and linters.
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
# What Python tells of (docs.python.org, "Audit events table") before there is another process.
_STARTS = frozenset(
    {
        *("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "pty.spawn"),
        "subprocess.Popen",
    }
)


class _Guard:
    """Knows which unit test runs. A hook stays until its process ends: there is one for all."""

    def __init__(self) -> None:
        self.running = ""
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        # `fail` raises what no `except Exception` of the code under test swallows.
        if self.running and event in _STARTS:
            pytest.fail(
                f"{self.running} starts a program: {event}{arguments[:2]!s:.200}. "
                "Such a test belongs to tests/integration (see tests/README.md)"
            )


_GUARD = _Guard()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[Any]:
    """Watches the test, and the fixtures that are made for it."""
    # Pytest calls this for the tests of other folders, too, when they run in one session.
    room = item.path.relative_to(_HERE).parts[0] if item.path.is_relative_to(_HERE) else ""
    _GUARD.running = item.nodeid if room and room not in PROGRAMS_ALLOWED else ""
    try:
        return (yield)
    finally:
        _GUARD.running = ""
