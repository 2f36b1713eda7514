"""One Wharf for the whole session; a tenant of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.postgres import postgres
from tests.servers.wharf import documented
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.tenants import Signer, Tenants
from tests.session import answers

__all__ = ["api", "postgres", "signer", "tenants", "wharf"]


@pytest.fixture(scope="session")
def wharf() -> Iterator[Wharf]:
    """A Wharf, whose documents say which answers tests may see (tests/session/answers.py)."""
    with running() as found:
        answers.DECLARED.update(documented.operations(ApiClient(found.port)))
        yield found


@pytest.fixture(scope="session")
def tenants(wharf: Wharf) -> Tenants:
    """Makes tenants and clients through auth's API."""
    return Tenants(wharf)


@pytest.fixture(scope="session")
def signer(wharf: Wharf) -> Signer:
    """Signs tokens with this Wharf's own key."""
    return Signer(wharf)


@pytest.fixture
def api(signer: Signer) -> ApiClient:
    """A client of a tenant that this test alone uses, with all scopes for files."""
    return signer.client()
