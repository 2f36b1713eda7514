"""One start for each release serves all tests of what that release has made."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.releases.upgraded import Upgraded
from tests.servers.releases.laid import RELEASES, facts, lay
from tests.servers.wharf.instance import running


@pytest.fixture(scope="package", params=RELEASES)
def upgraded(request: pytest.FixtureRequest) -> Iterator[Upgraded]:
    """Today's Wharf on the data of that release."""
    base = Path(tempfile.mkdtemp(prefix="wharf-upgraded-"))
    try:
        lay(request.param, base / "data")
        with running(base / "data") as wharf:
            yield Upgraded(wharf, facts(request.param))
    finally:
        shutil.rmtree(base)
