"""A client that speaks tus."""

from __future__ import annotations

import pytest

from tests.e2e.api_client import ApiClient
from tests.e2e.resumable.tus_client import Tus


@pytest.fixture
def tus(api: ApiClient) -> Tus:
    """The test's own client, speaking tus."""
    return Tus(api)
