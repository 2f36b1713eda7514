"""Functions that create the parts of webhooks from the settings."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from servicekit.outbound.allow_list import AllowList
from servicekit.outbound.rules import Rules
from servicekit.outbound.sender import Sender
from servicekit.sealing import KeyRing, SealingKeyError
from servicekit.settings import SettingsError
from wharf_upload.backends import Backends
from wharf_upload.database.webhook_contract import WebhookRecords
from wharf_upload.domain.events import Event
from wharf_upload.http import schemas
from wharf_upload.http.event_cursors import cursor_of
from wharf_upload.jobs.handlers import LaneOfJobs
from wharf_upload.jobs.lanes import BULK, WEBHOOK
from wharf_upload.maintenance.worker_turn import WorkerTurn
from wharf_upload.settings import Settings
from wharf_upload.webhooks.delivering import DeliveryHandler
from wharf_upload.webhooks.documents import Documents
from wharf_upload.webhooks.endpoint_catalog import EndpointCatalog
from wharf_upload.webhooks.fan_out import FanOut
from wharf_upload.webhooks.replaying import ReplayHandler
from wharf_upload.webhooks.sealing_keys import SealingKeys
from wharf_upload.webhooks.signing import SigningSecrets

log = logging.getLogger(__name__)
# Returns the state of a tenant in the feed of revocations.
TenantState = Callable[[str], str]


def key_file(settings: Settings) -> Path:
    """Return the path of the file with the keys that seal secrets."""
    return Path(settings.secrets_key_file or settings.data / "upload" / "secrets.keys")


def ensure_keys(settings: Settings) -> None:
    """Make the file of keys at the first start; a file that the operator names must exist.

    Raises `SettingsError` if the file cannot be used, or replicas would have different files.
    """
    settings.check_seals(data_shared=settings.data_shared)
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
            refused=tuple(filter(_is_host, _own_hosts(settings))),
        )
        return Sender(rules)
    except (OSError, ValueError) as error:
        raise SettingsError(f"webhooks cannot be sent: {error}") from None


def _is_host(name: str) -> bool:
    """Tell whether the rules can refuse a host; a wrong name must not stop the worker."""
    try:
        Rules(refused=(name,))
    except ValueError as error:
        log.warning("webhooks do not refuse the host %r of a setting: %s", name, error)
        return False
    return True


def _own_hosts(settings: Settings) -> Iterator[str]:
    """Yield the hosts of Wharf's own parts, which no network of the allow-list opens."""
    urls = (
        *(settings.effective_database_url, settings.limits_url, settings.notices_url),
        settings.jobs_url,
        *(settings.feed_url, settings.jwks_url, settings.blob_url, settings.blob_old_url),
        *(settings.effective_nginx_status_url, settings.otlp_url),
    )
    for url in urls:
        # libpq accepts several hosts with ports, and paths of sockets.
        for place in urlsplit(url).netloc.rpartition("@")[2].split(","):
            host = _host_of(place)
            if host:
                yield host


def _host_of(place: str) -> str:
    """Return the host of `host:port`, empty for the path of a socket."""
    name = unquote(
        place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]
    )
    return "" if "/" in name else name.removesuffix(".")


def missing_keys(settings: Settings, needed: Iterable[str]) -> list[str]:
    """Return the ids of keys that the file of keys lacks, all of them if it cannot be used."""
    try:
        known = KeyRing.load(key_file(settings)).ids
    except SealingKeyError:
        known = []
    return [key for key in needed if key not in known]


def secrets_of(settings: Settings) -> SigningSecrets:
    """Return the signing secrets; they read the file of keys at their first use."""
    return SigningSecrets(SealingKeys(key_file(settings)))


def catalog(
    settings: Settings, webhooks: WebhookRecords, clock: Callable[[], float]
) -> EndpointCatalog:
    """Return the catalog of endpoints; it opens its sender at the first use."""
    return EndpointCatalog(
        webhooks.endpoints,
        webhooks.deliveries,
        functools.cache(lambda: open_sender(settings)),
        secrets_of(settings),
        clock,
    )


def delivery_lane(settings: Settings, backends: Backends, tenant_state: TenantState) -> LaneOfJobs:
    """Return the lane of deliveries."""
    handler = DeliveryHandler(
        backends.records,
        backends.webhooks.endpoints,
        backends.webhooks.deliveries,
        open_sender(settings),
        secrets_of(settings),
        Documents(settings.issuer.removesuffix("/auth"), shown),
        tenant_state,
        time.time,
    )
    return LaneOfJobs(WEBHOOK, handler, backends.webhooks.fan_out.windows)


def replay_lane(_: Settings, backends: Backends, __: TenantState) -> LaneOfJobs:
    """Return the lane in which replays run."""
    return LaneOfJobs(BULK, ReplayHandler(backends.webhooks.fan_out))


def run_fan_out(settings: Settings, backends: Backends, stop: threading.Event) -> None:
    """Make deliveries of events until `stop` is set; of several workers, one makes them."""
    turn = WorkerTurn(backends.leases, "fan-out", is_needed=settings.leases_are_shared)
    FanOut(backends.webhooks.fan_out, turn.is_ours).run(stop)
    turn.end()


def shown(tenant: str, event: Event) -> tuple[schemas.EventDocument, str]:
    """Return an event as `GET /v1/events` shows it, and its id."""
    name = cursor_of(tenant, event.seq)
    return schemas.of_event(event, name), name
