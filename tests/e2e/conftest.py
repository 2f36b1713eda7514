"""One running Wharf for the whole session, and a separate tenant for each test."""

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
    """Yield a Wharf; record the responses that its OpenAPI documents declare
    (session/answers.py).
    """
    with running() as found:
        answers.DECLARED.update(documented.operations(ApiClient(found.port)))
        yield found


@pytest.fixture(scope="session")
def tenants(wharf: Wharf) -> Tenants:
    """Return the object that creates tenants and clients through auth's API."""
    return Tenants(wharf)


@pytest.fixture(scope="session")
def signer(wharf: Wharf) -> Signer:
    """Return the object that signs tokens with the key of this Wharf."""
    return Signer(wharf)


@pytest.fixture
def api(signer: Signer) -> ApiClient:
    """Return a client with all file scopes, of a tenant that only this test uses."""
    return signer.client()
