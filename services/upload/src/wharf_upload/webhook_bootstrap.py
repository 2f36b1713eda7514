"""Functions that create the parts of webhooks from the settings."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from servicekit.outbound.allow_list import AllowList
from servicekit.outbound.rules import Rules
from servicekit.outbound.sender import Sender
from servicekit.sealing import KeyRing, SealingKeyError
from servicekit.settings import SettingsError
from wharf_upload.backends import Backends
from wharf_upload.domain.events import Event
from wharf_upload.domain.webhooks import DELIVERY_LANE, REPLAY_LANE
from wharf_upload.http import schemas
from wharf_upload.http.event_cursors import cursor_of
from wharf_upload.jobs.handlers import Handler
from wharf_upload.settings import Settings
from wharf_upload.webhooks.delivering import DeliveryHandler
from wharf_upload.webhooks.documents import Documents
from wharf_upload.webhooks.endpoint_catalog import EndpointCatalog
from wharf_upload.webhooks.replaying import ReplayHandler
from wharf_upload.webhooks.signing import SigningSecrets


def key_file(settings: Settings) -> Path:
    """Return the path of the file with the keys that seal secrets."""
    return Path(settings.secrets_key_file or settings.data / "upload" / "secrets.keys")


def ensure_keys(settings: Settings) -> None:
    """Make the file of keys at the first start; a file that the operator names must exist.

    Raises `SettingsError` if the file cannot be used.
    """
    path = key_file(settings)
    try:
        if settings.secrets_key_file or path.exists():
            KeyRing.load(path)
        else:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            KeyRing.create(path)
    except SealingKeyError as error:
        raise SettingsError(f"WHARF_SECRETS_KEY_FILE: {error}") from None


def open_sender(settings: Settings) -> Sender:
    """Return the sender, under the operator's rules; raises `SettingsError`."""
    try:
        rules = Rules(
            allow=AllowList.parse(settings.webhook_allow),
            proxy=settings.webhook_proxy or None,
            ca_file=Path(settings.webhook_ca) if settings.webhook_ca else None,
            refused=tuple(_own_hosts(settings)),
        )
        return Sender(rules)
    except (OSError, ValueError) as error:
        raise SettingsError(f"webhooks cannot be sent: {error}") from None


def _own_hosts(settings: Settings) -> Iterator[str]:
    """Yield the hosts of Wharf's own parts, which no network of the allow-list opens."""
    urls = (
        *(settings.effective_database_url, settings.limits_url, settings.notices_url),
        *(settings.feed_url, settings.jwks_url, settings.blob_url, settings.blob_old_url),
        *(settings.effective_nginx_status_url, settings.otlp_url),
    )
    for url in urls:
        host = urlsplit(url).hostname
        if host:
            yield host


def secrets_of(settings: Settings) -> SigningSecrets:
    """Return the signing secrets; they read the file of keys at their first use."""
    return SigningSecrets(functools.cache(lambda: KeyRing.load(key_file(settings))))


def catalog(settings: Settings, backends: Backends, clock: Callable[[], float]) -> EndpointCatalog:
    """Return the catalog of endpoints for the routes; it opens its sender at the first use."""
    return EndpointCatalog(
        backends.webhooks.endpoints,
        backends.webhooks.deliveries,
        functools.cache(lambda: open_sender(settings)),
        secrets_of(settings),
        clock,
    )


def handlers(
    settings: Settings,
    backends: Backends,
    tenant_state: Callable[[str], str],
    clock: Callable[[], float],
) -> dict[str, Handler]:
    """Return the handlers of the jobs of webhooks, by their lanes."""
    origin = settings.issuer.removesuffix("/auth")
    delivering = DeliveryHandler(
        backends.records,
        backends.webhooks.endpoints,
        backends.webhooks.deliveries,
        open_sender(settings),
        secrets_of(settings),
        Documents(origin, shown),
        tenant_state,
        clock,
    )
    return {DELIVERY_LANE: delivering, REPLAY_LANE: ReplayHandler(backends.webhooks.fan_out)}


def shown(tenant: str, event: Event) -> tuple[schemas.EventDocument, str]:
    """Return an event as `GET /v1/events` shows it, and its id."""
    name = cursor_of(tenant, event.seq)
    return schemas.of_event(event, name), name
