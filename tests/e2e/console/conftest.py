"""A browser in front of a whole Wharf with tenants, people and files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.browser import Browser, browsing
from tests.servers.console_pages import built
from tests.servers.pages import world
from tests.servers.pages.stage import Stage
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.tenants import Signer, Tenants

# The reference has 16,000 elements, and axe on a busy machine checks few of them in a second.
_AXE_SECONDS = 110


@pytest.fixture(scope="session")
def console_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start a Chromium for these tests."""
    with browsing(tmp_path_factory.mktemp("console-profile")) as found:
        found.set_script_timeout(_AXE_SECONDS)
        yield found


@pytest.fixture(scope="session")
def whole(
    console_browser: Browser,
    wharf: Wharf,
    tenants: Tenants,
    signer: Signer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Stage:
    """Return the stage that all tests share: a browser, and a Wharf with tenants and files."""
    built()
    folder = Path(tmp_path_factory.mktemp("disk"))
    return Stage(console_browser, wharf, world.made(tenants, signer), folder)


@pytest.fixture
def stage(whole: Stage) -> Iterator[Stage]:
    """Yield the shared browser and Wharf for one test, and close the page afterwards."""
    whole.browser.errors()
    yield whole
    whole.browser.get("about:blank")
    whole.browser.errors()
