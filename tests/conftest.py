"""What all tests have in common."""

from __future__ import annotations

import pytest


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Leaves pytest's status in its memory: `.ci/run` looks there, since make passes on only 2."""
    if session.config.cache is not None:
        session.config.cache.set("wharf/status", int(exitstatus))
