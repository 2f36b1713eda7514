"""A Wharf with its files on radosgw, reached by TLS through a proxy that tests can cut."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.cutting import CuttingProxy, cutting
from tests.servers.object_stores import ObjectStore
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.tenants import Signer, Tenants


# These fixtures replace those of tests/e2e, so that the imported tests run on this Wharf.
@pytest.fixture(scope="package")
def ca(tmp_path_factory: pytest.TempPathFactory, radosgw_tls: ObjectStore) -> Path:
    """Return the path of the certificates that this Wharf trusts."""
    path = tmp_path_factory.mktemp("store") / "ca.pem"
    shutil.copy(radosgw_tls.ca, path)
    return path


@pytest.fixture(scope="package")
def way_there(radosgw_tls: ObjectStore) -> Iterator[CuttingProxy]:
    """Yield the proxy between this Wharf and the store."""
    with cutting(int(radosgw_tls.endpoint.rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture(scope="package")
def wharf(radosgw_tls: ObjectStore, way_there: CuttingProxy, ca: Path) -> Iterator[Wharf]:
    """Start a Wharf that has only its records on the disk."""
    store = radosgw_tls.behind(f"https://localhost:{way_there.port}")
    settings = store.settings(ca.parent) | {"WHARF_BLOB_CA": str(ca)}
    with running(None, **settings) as found:
        yield found


@pytest.fixture(scope="package")
def tenants(wharf: Wharf) -> Tenants:
    """Return the object that creates tenants and clients through auth's API."""
    return Tenants(wharf)


@pytest.fixture(scope="package")
def signer(wharf: Wharf) -> Signer:
    """Return the object that signs tokens with the key of this Wharf."""
    return Signer(wharf)


@pytest.fixture
def api(signer: Signer) -> ApiClient:
    """Return a client with all file scopes, of a tenant that only this test uses."""
    return signer.client()


@pytest.fixture
def anyone(api: ApiClient) -> ApiClient:
    """Return a client without a credential."""
    return api.using(None)
