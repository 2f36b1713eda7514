"""The contract of the rows of webhooks: endpoints and their deliveries.

All methods raise `DatabaseUnavailable` when the database does not respond.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from wharf_upload.domain.jobs import Effects
from wharf_upload.domain.webhooks import Delivery, DeliveryState, Endpoint, Replay, Tried

EndpointChange = Callable[[Endpoint], Endpoint]
"""Returns the new state of an endpoint; it may be called more than once, and may refuse."""


class EndpointRecords(Protocol):
    """The endpoints of tenants."""

    def endpoints(self, tenant: str) -> list[Endpoint]:
        """Return the tenant's endpoints in order of their ids, which is the order of creation."""

    def all_endpoints(self, after: tuple[str, str], limit: int) -> list[Endpoint]:
        """Return endpoints of all tenants after one (tenant, id), in this order."""

    def endpoint(self, tenant: str, endpoint: str) -> Endpoint | None:
        """Return the endpoint with this id, or `None`."""

    def add_endpoint(self, endpoint: Endpoint, most: int) -> Endpoint:
        """Store an endpoint that begins after the tenant's newest event; return it.

        Raises `LimitReached` if the tenant has `most` endpoints.
        """

    def change_endpoint(
        self, tenant: str, endpoint: str, change: EndpointChange
    ) -> Endpoint | None:
        """Change an endpoint; return its new state, or `None` if it does not exist.

        If the endpoint becomes active, its deliveries that wait run immediately.
        """

    def skip_to_now(self, tenant: str, endpoint: str) -> None:
        """Set the endpoint's position to the tenant's newest event; end open deliveries."""

    def begin_replay(self, tenant: str, endpoint: str, replay: Replay) -> Endpoint | None:
        """Begin a replay, with its job; it ends at the endpoint's position at the latest.

        Return the endpoint, or `None` if it does not exist. Raises `ReplayRuns`.
        """

    def delete_endpoint(self, tenant: str, endpoint: str) -> bool:
        """Delete an endpoint and its deliveries; return whether it existed."""


class DeliveryRecords(Protocol):
    """The deliveries of endpoints."""

    def deliveries(
        self,
        tenant: str,
        endpoint: str,
        *,
        state: DeliveryState | None = None,
        before: int | None = None,
        limit: int,
    ) -> list[Delivery]:
        """Return deliveries with numbers below `before`, the newest first."""

    def delivery(self, tenant: str, endpoint: str, seq: int) -> Delivery | None:
        """Return the delivery of an event, or `None`."""

    def add_test(self, endpoint: Endpoint, at: int) -> Delivery:
        """Add the delivery of a test event and its job; `at` is in unix milliseconds."""

    def retry(self, endpoint: Endpoint, seq: int) -> Delivery | None:
        """Let a delivery that has ended begin again; return it, or `None` if there is none.

        A delivery that is open runs immediately.
        """

    def tried(self, endpoint: Endpoint, delivery: Delivery, tried: Tried) -> Effects:
        """Return the effects of a try: on the delivery, and on the health of the endpoint."""

    def failed(self, tenant: str, endpoint: str, seq: int, error: str) -> Effects:
        """Return the effect that ends a delivery as failed, because of `error`."""

    def forget_deliveries(self, before: int) -> int:
        """Delete deliveries that have ended and were created before a time; return how many."""

    def forget_surplus(self, tenant: str, endpoint: str, most: int) -> int:
        """Delete deliveries that have ended, except those of the `most` newest events.

        Tests stay. Return how many were deleted.
        """


class FanOutRecords(Protocol):
    """The step from events to deliveries."""

    def behind(self, after: tuple[str, str], limit: int) -> list[tuple[str, str]]:
        """Return active endpoints after one, (tenant, id), whose tenants have newer events."""

    def fan_out(self, tenant: str, endpoint: str) -> bool:
        """Make deliveries and jobs of the next events, and move the position, in one commit.

        Return whether the position has moved.
        """

    def replay_step(self, tenant: str, endpoint: str, replay: str) -> bool:
        """Make deliveries of the next events of a replay; return whether the replay continues."""

    def windows(self, shares: Sequence[str]) -> Mapping[str, int]:
        """Return the windows of endpoints that are smaller than a full one, by their shares."""


class WebhookRecords(NamedTuple):
    """All rows of webhooks."""

    endpoints: EndpointRecords
    deliveries: DeliveryRecords
    fan_out: FanOutRecords
