"""Creates, changes and deletes endpoints, and starts tests, retries and replays."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from servicekit.ids import uuid7_hex
from servicekit.outbound.errors import DnsUnavailable, NotAllowed, SendingFailed
from servicekit.outbound.sender import Sender
from servicekit.problems import NOT_FOUND
from servicekit.tokens import Principal
from wharf_upload.access import reach
from wharf_upload.database.webhook_contract import DeliveryRecords, EndpointRecords
from wharf_upload.domain.webhooks import (
    Delivery,
    DeliveryState,
    Endpoint,
    EventFilter,
    Replay,
    Secret,
)
from wharf_upload.problems import ENDPOINT_NOT_ALLOWED
from wharf_upload.webhooks.signing import SigningSecrets

log = logging.getLogger(__name__)
MOST_ENDPOINTS = 20
_OVERLAP_SECONDS = 24 * 3600


class Shown(NamedTuple):
    """An endpoint, and its new signing secret, which no client can read again."""

    endpoint: Endpoint
    secret: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of an endpoint; `None` leaves a property as it is."""

    url: str | None = None
    description: str | None = None
    filter: Callable[[EventFilter], EventFilter] | None = None
    ordered: bool | None = None
    paused: bool | None = None


class EndpointCatalog:
    """The endpoints of the caller's tenant; each method raises `not-found` for an unknown id.

    An endpoint may receive the events of all files, so the caller must reach all of them.
    `sender` returns the sender, `clock` unix seconds.
    """

    def __init__(
        self,
        endpoints: EndpointRecords,
        deliveries: DeliveryRecords,
        sender: Callable[[], Sender],
        secrets: SigningSecrets,
        clock: Callable[[], float],
    ) -> None:
        self._endpoints, self._deliveries = endpoints, deliveries
        self._sender, self._secrets, self._clock = sender, secrets, clock

    def all(self, caller: Principal) -> list[Endpoint]:
        """Return the endpoints in the order of their creation."""
        reach.require_everything(caller)
        return self._endpoints.endpoints(caller.tenant)

    def find(self, caller: Principal, endpoint: str) -> Endpoint:
        """Return the endpoint with this id."""
        reach.require_everything(caller)
        return _found(self._endpoints.endpoint(caller.tenant, endpoint))

    def create(
        self,
        caller: Principal,
        *,
        url: str,
        description: str,
        wanted: EventFilter,
        ordered: bool,
    ) -> Shown:
        """Create an endpoint that receives events from now on.

        Raises `LimitReached` and the problem `endpoint-not-allowed`.
        """
        reach.require_everything(caller)
        self._check(url)
        name = uuid7_hex()
        shown, sealed = self._secrets.new(caller.tenant, name)
        endpoint = Endpoint(
            tenant=caller.tenant,
            id=name,
            url=url,
            description=description,
            filter=wanted,
            secrets=(sealed,),
            ordered=ordered,
            position=0,
            created_at=self._now(),
        )
        added = self._endpoints.add_endpoint(endpoint, MOST_ENDPOINTS)
        self._audit(caller, "create", name)
        return Shown(added, shown)

    def change(self, caller: Principal, endpoint: str, change: Change) -> Endpoint:
        """Change the properties that are not `None`; raises `endpoint-not-allowed`."""
        reach.require_everything(caller)
        if change.url is not None:
            self._check(change.url)
        changed = self._endpoints.change_endpoint(
            caller.tenant, endpoint, lambda known: _changed(known, change)
        )
        self._audit(caller, "change", endpoint)
        return _found(changed)

    def delete(self, caller: Principal, endpoint: str) -> None:
        """Delete an endpoint; deliveries that are under way end."""
        reach.require_everything(caller)
        if not self._endpoints.delete_endpoint(caller.tenant, endpoint):
            raise NOT_FOUND("No endpoint has this id.")
        self._audit(caller, "delete", endpoint)

    def rotate(self, caller: Principal, endpoint: str) -> Shown:
        """Replace the signing secret; the old one signs along for a day if it can be opened."""
        reach.require_everything(caller)
        shown, sealed = self._secrets.new(caller.tenant, endpoint)
        ends_at = self._now() + _OVERLAP_SECONDS * 1000

        def change(known: Endpoint) -> Endpoint:
            old = Secret(known.secrets[0].sealed, ends_at)
            # A secret whose key was lost would stop all deliveries until its end.
            kept = (old,) if self._secrets.opens(known, old) else ()
            return msgspec.structs.replace(known, secrets=(sealed, *kept))

        changed = _found(self._endpoints.change_endpoint(caller.tenant, endpoint, change))
        self._audit(caller, "rotate", endpoint)
        return Shown(changed, shown)

    def enable(self, caller: Principal, endpoint: str, *, from_now: bool) -> Endpoint:
        """Enable an endpoint: from where it stopped, or `from_now`."""
        reach.require_everything(caller)
        _found(self._endpoints.endpoint(caller.tenant, endpoint))
        if from_now:
            self._endpoints.skip_to_now(caller.tenant, endpoint)
        changed = self._endpoints.change_endpoint(caller.tenant, endpoint, _enabled)
        self._audit(caller, "enable", endpoint)
        return _found(changed)

    def deliveries(
        self,
        caller: Principal,
        endpoint: str,
        *,
        state: DeliveryState | None,
        before: int | None,
        limit: int,
    ) -> list[Delivery]:
        """Return deliveries with numbers below `before`, the newest first."""
        self.find(caller, endpoint)
        return self._deliveries.deliveries(
            caller.tenant, endpoint, state=state, before=before, limit=limit
        )

    def delivery(self, caller: Principal, endpoint: str, seq: int) -> Delivery:
        """Return one delivery; raises `not-found` if the log does not have it."""
        self.find(caller, endpoint)
        return _logged(self._deliveries.delivery(caller.tenant, endpoint, seq))

    def test(self, caller: Principal, endpoint: str) -> Delivery:
        """Send a test event; the log of deliveries shows the result."""
        known = self.find(caller, endpoint)
        self._audit(caller, "test", endpoint)
        return self._deliveries.add_test(known, self._now())

    def retry(self, caller: Principal, endpoint: str, seq: int) -> Delivery:
        """Let a delivery begin again; raises `not-found` if the log does not have it."""
        known = self.find(caller, endpoint)
        begun = _logged(self._deliveries.retry(known, seq))
        self._audit(caller, "retry", endpoint)
        return begun

    def replay(self, caller: Principal, endpoint: str, wanted: Replay) -> Endpoint:
        """Deliver events again; raises `ReplayRuns` while another replay runs."""
        reach.require_everything(caller)
        changed = _found(self._endpoints.begin_replay(caller.tenant, endpoint, wanted))
        self._audit(caller, "replay", endpoint)
        return changed

    def _check(self, url: str) -> None:
        """Refuse an address that the operator's rules do not permit; sending checks again."""
        try:
            self._sender().check(url, resolve=True)
        except NotAllowed as error:
            raise ENDPOINT_NOT_ALLOWED(f"The URL is not allowed: {error}.") from None
        except DnsUnavailable as error:
            # This process may have no way to DNS: another process sends the requests.
            log.warning("an endpoint's host was not checked: %s", error)
        except SendingFailed as error:
            raise ENDPOINT_NOT_ALLOWED(f"The URL's host has no address: {error}.") from None

    def _audit(self, caller: Principal, deed: str, endpoint: str) -> None:
        fields = {"deed": f"webhook.{deed}", "tenant": caller.tenant, "endpoint": endpoint}
        log.info("audit", extra={"fields": {**fields, "by": caller.subject}})

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _found(endpoint: Endpoint | None) -> Endpoint:
    if endpoint is None:
        raise NOT_FOUND("No endpoint has this id.")
    return endpoint


def _logged(delivery: Delivery | None) -> Delivery:
    if delivery is None:
        raise NOT_FOUND("The log has no such delivery.")
    return delivery


def _changed(known: Endpoint, change: Change) -> Endpoint:
    given = {"url": change.url, "description": change.description, "ordered": change.ordered}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if change.url not in (None, known.url):
        # The answers of another address say nothing about this one.
        values |= {"failures": 0, "failing_since": None}
    if change.filter is not None:
        values["filter"] = change.filter(known.filter)
    if change.paused is not None and known.state != "disabled":
        values["state"] = "paused" if change.paused else "active"
        # The time of a pause does not count as failing.
        values["failing_since"] = None
    return msgspec.structs.replace(known, **values)


def _enabled(known: Endpoint) -> Endpoint:
    return msgspec.structs.replace(
        known, state="active", reason="", failures=0, failing_since=None, gap_at=None
    )
