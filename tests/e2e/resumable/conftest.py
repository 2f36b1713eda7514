"""A client that speaks tus."""

from __future__ import annotations

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.tus_client import Tus


@pytest.fixture
def tus(api: ApiClient) -> Tus:
    """The test's own client, speaking tus."""
    return Tus(api)
