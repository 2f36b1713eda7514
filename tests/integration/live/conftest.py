"""One live process for all tests that do not end it; each test has a tenant of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.testing import Issuer
from tests.servers.live import LiveProcess, running_live
from tests.servers.upload import issuer

__all__ = ["issuer"]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def live(
    upload_template: Path, tmp_path_factory: pytest.TempPathFactory, issuer: Issuer
) -> Iterator[LiveProcess]:
    """The process, which tests share."""
    folder = tmp_path_factory.mktemp("live")
    with running_live(upload_template, folder, issuer) as process:
        yield process
        # What clients send is no reason to complain.
        assert '"level":"error"' not in process.log
        assert "Traceback" not in process.log


@pytest.fixture
def tenant() -> str:
    """A tenant of which no other test has heard."""
    return f"tenant-{next(_numbers)}"
