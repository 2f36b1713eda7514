"""Every database that the records may lie in, and in each of them a tenant with its twins."""

from __future__ import annotations

import pytest

from tests.servers.tracing import strace
from tests.servers.twins import UPLOAD_TWINS
from tests.servers.upload import upload_template
from tests.servers.upload_databases import database, database_url, postgres_template, records

__all__ = [
    "all_tenants",
    "database",
    "database_url",
    "postgres_template",
    "records",
    "strace",
    "twins",
    "upload_template",
]


@pytest.fixture
def all_tenants() -> None:
    """Is asked for by a test of what rightly spans tenants, or counts steps: it has no twins."""


@pytest.fixture(autouse=True)
def twins(request: pytest.FixtureRequest) -> None:
    """Gives the tenant of each test its twins."""
    if "database_url" in request.fixturenames and "all_tenants" not in request.fixturenames:
        UPLOAD_TWINS.add(request.getfixturevalue("database_url"))
