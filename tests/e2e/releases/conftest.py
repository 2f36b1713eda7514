"""Wharf on the data of each earlier release, started once for all tests that share it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.releases.upgraded import Upgraded
from tests.servers.releases.laid import RELEASES, facts, lay
from tests.servers.wharf.instance import running


@contextmanager
def opened(release: str) -> Iterator[Upgraded]:
    """Start today's Wharf on the data of a release."""
    base = Path(tempfile.mkdtemp(prefix="wharf-upgraded-"))
    try:
        lay(release, base / "data")
        with running(base / "data") as wharf:
            yield Upgraded(wharf, facts(release))
    finally:
        shutil.rmtree(base)


@pytest.fixture(scope="package", params=RELEASES)
def upgraded(request: pytest.FixtureRequest) -> Iterator[Upgraded]:
    """Yield a Wharf for each release, for tests that end no token and no link of the release."""
    with opened(request.param) as found:
        yield found
