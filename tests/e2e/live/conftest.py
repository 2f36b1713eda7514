"""A Wharf whose live channel queues few events for a client that does not read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.tenants import ALL_SCOPES, Signer, Tenants

_QUEUED = 20


@pytest.fixture(scope="package")
def wharf() -> Iterator[Wharf]:
    """Start one Wharf for all of these tests."""
    with running(WHARF_LIVE_QUEUED_EVENTS=str(_QUEUED)) as found:
        yield found


@pytest.fixture(scope="package")
def tenants(wharf: Wharf) -> Tenants:
    return Tenants(wharf)


@pytest.fixture(scope="package")
def signer(wharf: Wharf) -> Signer:
    return Signer(wharf)


@pytest.fixture
def api(signer: Signer) -> ApiClient:
    """Return a client with all scopes, of a tenant that only this test uses."""
    return signer.client(scope=" ".join((*ALL_SCOPES, "events:read")))
