"""A Wharf whose metrics, logs and traces contain only the requests of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.observed.scraping import scrape
from tests.servers.exposition import Exposition
from tests.servers.otlp import Collector, collecting
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer, Tenants

TENANTS = 60


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    """Yield the collector that receives the traces."""
    with collecting() as found:
        yield found


@contextmanager
def observed(collector: Collector) -> Iterator[Wharf]:
    """Start a Wharf with one nginx worker, which writes its log lines in the order of requests."""
    with running(
        WHARF_OTLP_URL=collector.url,
        OTEL_BSP_SCHEDULE_DELAY="200",
        WHARF_NGINX_WORKERS="1",
        WHARF_DURABILITY="full",
        WHARF_SWEEP_SECONDS="1",
        WHARF_METRICS_TENANTS=str(TENANTS),
    ) as found:
        assert until(lambda: scrape(found, "nginx", wanted=None) is not None)
        yield found


@pytest.fixture(scope="package")
def wharf(collector: Collector) -> Iterator[Wharf]:
    with observed(collector) as found:
        yield found


@pytest.fixture(scope="package")
def signer(wharf: Wharf) -> Signer:
    return Signer(wharf)


@pytest.fixture(scope="package")
def tenants(wharf: Wharf) -> Tenants:
    return Tenants(wharf)


@pytest.fixture
def api(signer: Signer) -> ApiClient:
    """Return a client of a tenant that only this test uses."""
    return signer.client()


@pytest.fixture
def before(wharf: Wharf) -> Exposition:
    """Return the gateway's metrics, once a marker shows that all earlier requests are counted."""
    label = {"operation": "other", "code": "404"}
    found = scrape(wharf, "nginx")
    marked = found.sum("wharf_gateway_requests_total", **label)
    assert ApiClient(wharf.port).get("/marker").status == 404

    def seen() -> bool:
        return scrape(wharf, "nginx").sum("wharf_gateway_requests_total", **label) > marked

    assert until(seen, pause=0.1)
    return scrape(wharf, "nginx")
