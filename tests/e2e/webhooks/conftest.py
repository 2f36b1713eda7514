"""A Wharf that may send webhooks to receivers of the tests on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.certificates import Certificate
from tests.servers.webhook_receiver import WebhookReceiver, webhook_receiver
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.tenants import Signer, Tenants


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Return a certificate of an authority that Wharf knows by `WHARF_WEBHOOK_CA`."""
    return Certificate(tmp_path_factory.mktemp("known"))


@pytest.fixture(scope="package")
def hooked(known: Certificate) -> Iterator[Wharf]:
    """Start a Wharf whose worker takes jobs of a killed worker again after 5 s."""
    with running(
        WHARF_WEBHOOK_ALLOW="127.0.0.1 localhost",
        WHARF_WEBHOOK_CA=str(known.authority),
        WHARF_JOBS_WEBHOOK="lease=5",
    ) as found:
        yield found


@pytest.fixture(scope="package")
def hooked_signer(hooked: Wharf) -> Signer:
    """Sign tokens with the key of this Wharf."""
    return Signer(hooked)


@pytest.fixture(scope="package")
def hooked_tenants(hooked: Wharf) -> Tenants:
    """Create tenants through auth's API."""
    return Tenants(hooked)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """Yield a receiver that accepts everything."""
    with webhook_receiver() as running_receiver:
        yield running_receiver


@pytest.fixture
def other_certificate(tmp_path: Path) -> Certificate:
    """Return a certificate of an authority that Wharf does not know."""
    return Certificate(tmp_path)
