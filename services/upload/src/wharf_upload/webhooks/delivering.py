"""The handler of the lane `webhook`: one try of one delivery."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from servicekit.outbound.errors import NotAllowed, SendingFailed
from servicekit.outbound.sender import Sender
from servicekit.sealing import SealingError, SealingKeyError
from wharf_upload.database.webhook_contract import DeliveryRecords
from wharf_upload.domain.events import Event
from wharf_upload.domain.jobs import Again, Done, Effects, Job, Outcome
from wharf_upload.domain.webhooks import (
    BUSY,
    TEST_KIND,
    Answer,
    Delivery,
    Endpoint,
    subject_of,
    tried,
)
from wharf_upload.jobs.handlers import Fence
from wharf_upload.webhooks import retry_after, webhook_metrics
from wharf_upload.webhooks.documents import MEDIA_TYPE, Documents
from wharf_upload.webhooks.signing import SigningSecrets, signature

log = logging.getLogger(__name__)
_MOST_KEPT_CHARACTERS = 1024
_NOT_ACTIVE_SECONDS = 60.0
# A process reads the feed of revocations soon after its start.
_UNKNOWN_SECONDS = 5.0
# An endpoint that becomes active runs its deliveries immediately.
_INACTIVE_SECONDS = 300.0
_LOST_EVENT = "The event was deleted before it could be delivered."


class StoredEvents(Protocol):
    """The queries to the database; see `database.contract`."""

    def event(self, tenant: str, seq: int) -> Event | None:
        """Return the tenant's event with a number, or `None`."""


class StoredEndpoints(Protocol):
    """The queries to the database; see `database.webhook_contract`."""

    def endpoint(self, tenant: str, endpoint: str) -> Endpoint | None:
        """Return the endpoint with this id, or `None`."""


class DeliveryHandler:
    """Delivers events; `tenant_state` tells whether a tenant still exists, `clock` is in seconds.

    A delivery that fails permanently is no dead job: the log of deliveries shows it.
    """

    def __init__(
        self,
        events: StoredEvents,
        endpoints: StoredEndpoints,
        deliveries: DeliveryRecords,
        sender: Sender,
        secrets: SigningSecrets,
        documents: Documents,
        tenant_state: Callable[[str], str],
        clock: Callable[[], float],
    ) -> None:
        self._events, self._endpoints, self._deliveries = events, endpoints, deliveries
        self._sender, self._secrets, self._documents = sender, secrets, documents
        self._tenant_state, self._clock = tenant_state, clock

    def run(self, job: Job, fence: Fence) -> Outcome:
        """Try to deliver the event that the job names."""
        name, seq = subject_of(job.subject)
        endpoint = self._endpoints.endpoint(job.tenant, name)
        delivery = self._deliveries.delivery(job.tenant, name, seq)
        if endpoint is None or delivery is None or delivery.state != "open":
            return Done()
        if endpoint.state != "active":
            return Again(_INACTIVE_SECONDS, f"The endpoint is {endpoint.state}.", counts=False)
        state = self._tenant_state(job.tenant)
        if state == "purged":
            return Done(self._failed(job, "The tenant was deleted."))
        if state != "active":
            # A deleted tenant may be resumed, and then its events must not be lost.
            wait = _UNKNOWN_SECONDS if state == "unknown" else _NOT_ACTIVE_SECONDS
            return Again(wait, f"The state of the tenant is {state}.", counts=False)
        message = self._message(delivery)
        if message is None:
            return Done(self._failed(job, _LOST_EVENT))
        fence.check()
        return self._try(endpoint, delivery, *message)

    def gave_up(self, job: Job, why: str) -> Effects | None:
        """Return the effect that ends the delivery as failed."""
        return self._failed(job, why)

    def _failed(self, job: Job, why: str) -> Effects:
        return self._deliveries.failed(job.tenant, *subject_of(job.subject), why)

    def _message(self, delivery: Delivery) -> tuple[str, bytes] | None:
        """Return the id and the body, or `None` if the event no longer exists."""
        if delivery.kind == TEST_KIND:
            return self._documents.of_test(delivery)
        event = self._events.event(delivery.tenant, delivery.seq)
        return None if event is None else self._documents.of_event(delivery.tenant, event)

    def _try(self, endpoint: Endpoint, delivery: Delivery, name: str, body: bytes) -> Outcome:
        now = self._clock()
        try:
            keys = self._secrets.current(endpoint, int(now * 1000))
        except (SealingError, SealingKeyError) as error:
            # A key that is missing comes back, so the delivery waits.
            log.error("a delivery cannot be signed: %s", error)  # noqa: TRY400 -- no trace needed
            return Again(_NOT_ACTIVE_SECONDS, f"The secret cannot be opened: {error}", counts=False)
        fields = {
            "content-type": MEDIA_TYPE,
            "webhook-id": name,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": signature(keys, name, int(now), body),
        }
        answer = self._answer(endpoint.url, fields, body, now)
        result = tried(delivery, answer)
        _note(result.state, answer)
        effects = self._deliveries.tried(endpoint, delivery, result)
        if result.wait_seconds is None:
            return Done(effects)
        return Again(result.wait_seconds, answer.error, counts=False, effects=effects)

    def _answer(self, url: str, fields: dict[str, str], body: bytes, now: float) -> Answer:
        at = int(now * 1000)
        try:
            sent = self._sender.post(url, fields, body)
        except NotAllowed as error:
            return Answer(at=at, error=f"Not allowed: {error}", is_allowed=False)
        except SendingFailed as error:
            took = int((self._clock() - now) * 1000)
            return Answer(at=at, milliseconds=max(0, took), error=str(error))
        is_busy = sent.status in BUSY
        wait = retry_after.seconds(sent.retry_after, now) if is_busy else None
        return Answer(
            at=at,
            status=sent.status,
            milliseconds=sent.milliseconds,
            error="" if 200 <= sent.status < 300 else f"The receiver answered {sent.status}.",
            body=sent.body[:_MOST_KEPT_CHARACTERS].decode(errors="replace").replace("\0", "�"),
            retry_after_seconds=wait,
        )


def _note(state: str, answer: Answer) -> None:
    result = "again" if state == "open" else state
    webhook_metrics.tries.note(((result if answer.is_allowed else "not_allowed",), 1))
    webhook_metrics.durations.note(((), answer.milliseconds / 1000))
