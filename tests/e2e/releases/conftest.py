"""One start for each release serves all tests of what that release has made."""

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
    """Today's Wharf on the data of a release."""
    base = Path(tempfile.mkdtemp(prefix="wharf-upgraded-"))
    try:
        lay(release, base / "data")
        with running(base / "data") as wharf:
            yield Upgraded(wharf, facts(release))
    finally:
        shutil.rmtree(base)


@pytest.fixture(scope="package", params=RELEASES)
def upgraded(request: pytest.FixtureRequest) -> Iterator[Upgraded]:
    """One of each release, for all tests that end nothing of what it has handed out."""
    with opened(request.param) as found:
        yield found
