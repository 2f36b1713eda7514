"""A tus client for the tests in this folder."""

from __future__ import annotations

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.tus_client import Tus


@pytest.fixture
def tus(api: ApiClient) -> Tus:
    """Return a tus client with the test's own tenant."""
    return Tus(api)
