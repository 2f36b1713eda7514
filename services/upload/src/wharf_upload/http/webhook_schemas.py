"""The JSON documents of webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from wharf_upload.domain.webhooks import Delivery, Endpoint
from wharf_upload.http.event_cursors import cursor_of
from wharf_upload.http.schemas import moment

_TEST_PREFIX = "test-"


class ReplayDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A replay under way: it has handled the events up to `position` and ends at `until`.

    `position_at` and `until_at` are when these events were recorded; null is the beginning.
    """

    position: str
    position_at: datetime | None
    until: str
    until_at: datetime | None
    failed_only: bool


class EndpointDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint.

    `kinds` are the kinds of events that it receives, all if the list is empty. If `bucket` and
    `prefix` are set, the file of an event must be in this bucket, and its key must begin with this
    prefix. `state` is `paused`
    after a request of a client, and `disabled` if the receiver answered 410 or failed for five
    days; `reason` says why. `failing_since` is the first failure since the last success.
    `missed_at` is when events were deleted before the endpoint received them.
    """

    id: str
    url: str
    description: str
    kinds: tuple[str, ...]
    bucket: str | None
    prefix: str | None
    ordered: bool
    state: Literal["active", "paused", "disabled"]
    reason: str | None
    failing_since: datetime | None
    missed_at: datetime | None
    replay: ReplayDocument | None
    created_at: datetime


class EndpointWithSecret(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint and its new signing secret, which no other response shows."""

    endpoint: EndpointDocument
    secret: Annotated[
        str,
        msgspec.Meta(description="`whsec_` and the secret in base64, for Standard Webhooks."),
    ]


class Endpoints(msgspec.Struct, frozen=True):
    """The endpoints of the tenant, the oldest first."""

    endpoints: tuple[EndpointDocument, ...]


class DeliveryDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The delivery of an event.

    `id` is the id of the event, or `test-…` for a test; the receiver gets it as `webhook-id` after
    the name of the tenant and a dot. `state` is `open` while tries are left. `status`,
    `milliseconds`, `answer` (the first 1,024 characters) and `error` belong to the last try. They
    are null until the first try. A delivery that begins again loses its earlier results.
    """

    id: str
    kind: str
    state: Literal["open", "done", "failed"]
    attempts: int
    status: int | None
    milliseconds: int | None
    answer: str | None
    error: str | None
    created_at: datetime
    tried_at: datetime | None
    next_at: datetime | None


class DeliveryPage(msgspec.Struct, frozen=True):
    """A page of deliveries; `next_cursor` returns the next page and is null on the last one."""

    deliveries: tuple[DeliveryDocument, ...]
    next_cursor: str | None


def of_endpoint(endpoint: Endpoint) -> EndpointDocument:
    """Return the JSON document of an endpoint."""
    replay = endpoint.replay
    return EndpointDocument(
        id=endpoint.id,
        url=endpoint.url,
        description=endpoint.description,
        kinds=endpoint.filter.kinds,
        bucket=endpoint.filter.bucket or None,
        prefix=endpoint.filter.prefix or None,
        ordered=endpoint.ordered,
        state=endpoint.state,
        reason=endpoint.reason or None,
        failing_since=_moment(endpoint.failing_since),
        missed_at=_moment(endpoint.gap_at),
        replay=None
        if replay is None
        else ReplayDocument(
            position=_position(endpoint.tenant, replay.position),
            position_at=_recorded(replay.position),
            until=_position(endpoint.tenant, replay.until),
            until_at=_recorded(replay.until),
            failed_only=replay.failed_only,
        ),
        created_at=moment(endpoint.created_at),
    )


def of_delivery(delivery: Delivery) -> DeliveryDocument:
    """Return the JSON document of a delivery."""
    was_tried = delivery.tried_at is not None
    return DeliveryDocument(
        id=delivery_id(delivery.tenant, delivery.seq),
        kind=delivery.kind,
        state=delivery.state,
        attempts=delivery.attempts,
        status=delivery.status or None,
        milliseconds=delivery.milliseconds if was_tried else None,
        answer=delivery.answer or None,
        error=delivery.error or None,
        created_at=moment(delivery.created_at),
        tried_at=_moment(delivery.tried_at),
        next_at=_moment(delivery.next_at),
    )


def delivery_id(tenant: str, seq: int) -> str:
    """Return the id of a delivery from the number of its event, or of its test."""
    return cursor_of(tenant, seq) if seq > 0 else f"{_TEST_PREFIX}{-seq}"


def test_number(name: str) -> int | None:
    """Return the number of a test from its id; `None` if it is the id of an event."""
    digits = name.removeprefix(_TEST_PREFIX)
    if digits == name or not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        return None
    return -int(digits)


def _position(tenant: str, number: int) -> str:
    return cursor_of(tenant, number) if number else "0"


def _recorded(number: int) -> datetime | None:
    """Return when the event with a number was recorded; `None` for the beginning."""
    return moment(number // 1000) if number else None


def _moment(at: int | None) -> datetime | None:
    return None if at is None else moment(at)
