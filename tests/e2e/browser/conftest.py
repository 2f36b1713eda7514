"""A browser, a site on another origin, and a Wharf whose gateway has a small size limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.browser.person import Person
from tests.e2e.browser.visitor import Visitor
from tests.servers.browser import Browser, Site, browsing, serving_pages
from tests.servers.console_pages import ConsolePages, serving_console
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.tenants import Signer

#: The size limit of nginx itself, which refuses larger bodies.
GATEWAYS_BYTES = 8_000_000


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Yield one Chromium for all tests."""
    with browsing(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """Serve the site of another organization, on another origin than Wharf."""
    with serving_pages() as found:
        yield found


@pytest.fixture(scope="session")
def capped() -> Iterator[Wharf]:
    """Start a Wharf whose gateway itself refuses large bodies."""
    with running(WHARF_MAX_BODY_BYTES=str(GATEWAYS_BYTES)) as found:
        yield found


@pytest.fixture
def visitor(browser: Browser, site: Site, capped: Wharf, tmp_path: Path) -> Iterator[Visitor]:
    """Yield a visitor on a page of another service, which has a separate tenant in Wharf."""
    browser.errors()
    yield Visitor(browser, site, capped, Signer(capped).client(), tmp_path)
    browser.command("Network.disable")
    browser.command("Emulation.setScriptExecutionDisabled", value=False)


@pytest.fixture(scope="session")
def spacious() -> Iterator[Wharf]:
    """Start a Wharf whose gateway accepts chunks of the console's size."""
    with running() as found:
        yield found


@pytest.fixture(scope="session")
def console_pages(spacious: Wharf) -> Iterator[ConsolePages]:
    """Serve pages with the console's scripts on the origin of the Wharf `spacious`."""
    with serving_console(spacious.port) as found:
        yield found


@pytest.fixture
def person(
    browser: Browser, console_pages: ConsolePages, spacious: Wharf, tmp_path: Path
) -> Iterator[Person]:
    """Yield a person on a page of the console, and check that no page breaks its content policy."""
    browser.errors()
    found = Person(browser, console_pages, spacious, Signer(spacious).client(), tmp_path)
    console_pages.ticket = found.tickets()
    console_pages.asked.clear()
    console_pages.reports.clear()
    yield found
    found.line()
    console_pages.down = False
    browser.command("Network.disable")
    browser.command("Emulation.clearDeviceMetricsOverride")
    browser.get("about:blank")
    assert console_pages.reports == []
