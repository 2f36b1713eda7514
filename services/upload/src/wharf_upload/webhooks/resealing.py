"""Seals the signing secrets of all endpoints again with the current key, and counts the keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from servicekit.sealing import KeyRing, SealingError
from wharf_upload.database.webhook_contract import EndpointChange
from wharf_upload.domain.webhooks import Endpoint
from wharf_upload.webhooks.signing import SigningSecrets

_PAGE = 500
# Counts secrets whose text is damaged, so that it names no key.
DAMAGED = "damaged"


class Endpoints(Protocol):
    """The queries to the database; see `database.webhook_contract`."""

    def all_endpoints(self, after: tuple[str, str], limit: int) -> list[Endpoint]:
        """Return endpoints of all tenants after one (tenant, id)."""

    def change_endpoint(
        self, tenant: str, endpoint: str, change: EndpointChange
    ) -> Endpoint | None:
        """Change an endpoint; return its new state."""


class Resealed(NamedTuple):
    """The numbers of endpoints whose secrets were sealed again, and of those that failed."""

    endpoints: int
    failures: int


def everything(endpoints: Endpoints) -> Iterator[Endpoint]:
    """Yield the endpoints of all tenants."""
    last = ("", "")
    while page := endpoints.all_endpoints(last, _PAGE):
        yield from page
        last = (page[-1].tenant, page[-1].id)


def key_ids(endpoints: Endpoints) -> Counter[str]:
    """Return the number of secrets that each key seals, by the ids of the keys."""
    counts: Counter[str] = Counter()
    for endpoint in everything(endpoints):
        counts.update(key_id_of(secret.sealed) for secret in endpoint.secrets)
    return counts


def key_id_of(sealed: str) -> str:
    """Return the id of the key that sealed a secret, `DAMAGED` for a text that names none."""
    try:
        return KeyRing.key_id_of(sealed)
    except SealingError:
        return DAMAGED


def reseal(endpoints: Endpoints, secrets: SigningSecrets) -> Resealed:
    """Seal the secrets of all endpoints with the current key.

    A secret that cannot be opened stays as it is. Each endpoint is changed in its own commit, so a
    run that was interrupted can be repeated.
    """
    changed = failures = 0
    for endpoint in everything(endpoints):
        if secrets.resealed(endpoint) is endpoint:
            continue
        now = endpoints.change_endpoint(endpoint.tenant, endpoint.id, secrets.resealed)
        if now is not None:
            is_current = secrets.resealed(now) is now
            changed += is_current
            failures += not is_current
    return Resealed(changed, failures)
