"""One live process for all tests that do not end it. Each test has its own tenant."""

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
    """Yield the process, which tests share."""
    folder = tmp_path_factory.mktemp("live")
    with running_live(upload_template, folder, issuer) as process:
        yield process
        # Requests of clients must not cause an error in the log.
        assert '"level":"error"' not in process.log
        assert "Traceback" not in process.log


@pytest.fixture
def tenant() -> str:
    """Return a tenant that no other test uses."""
    return f"tenant-{next(_numbers)}"
