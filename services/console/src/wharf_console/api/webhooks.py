"""The endpoints of webhooks of the tenant, and their deliveries."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from wharf_console.api.session import Session, address, decoded


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """A replay under way; the times are those of the last handled event and of the last event.

    `position_at` is `None` at the beginning.
    """

    position_at: datetime | None
    until_at: datetime | None
    failed_only: bool


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint; `state` is `active`, `paused` or `disabled`, for the `reason`.

    No `kinds` means all kinds. `failing_since` is the first failure since the last success, and
    `missed_at` is when events were deleted before the endpoint received them.
    """

    id: str
    url: str
    description: str
    kinds: tuple[str, ...]
    bucket: str | None
    prefix: str | None
    ordered: bool
    state: str
    reason: str | None
    failing_since: datetime | None
    missed_at: datetime | None
    replay: Replay | None
    created_at: datetime


class WithSecret(msgspec.Struct, frozen=True):
    """An endpoint and its new signing secret, which the API shows only once."""

    endpoint: Endpoint
    secret: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The delivery of an event or of a test; `state` is `open` while tries are left, or the end.

    `status`, `milliseconds`, `answer` and `error` belong to the last try.
    """

    id: str
    kind: str
    state: str
    attempts: int
    status: int | None
    milliseconds: int | None
    answer: str | None
    error: str | None
    created_at: datetime
    tried_at: datetime | None
    next_at: datetime | None


class Deliveries(msgspec.Struct, frozen=True, kw_only=True):
    """A page of deliveries; `next_cursor` requests the next page, `None` is the end."""

    deliveries: tuple[Delivery, ...]
    next_cursor: str | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The properties of a new or changed endpoint; `None` is every bucket or every name."""

    url: str
    description: str
    kinds: tuple[str, ...]
    bucket: str | None
    prefix: str | None
    ordered: bool


class WantedReplay(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The events to deliver again: since a time, or after the event `after`."""

    after: str | UnsetType = UNSET
    since: datetime | UnsetType = UNSET
    failed_only: bool = False


class _Endpoints(msgspec.Struct, frozen=True):
    endpoints: tuple[Endpoint, ...]


def listed(session: Session) -> tuple[Endpoint, ...]:
    """Return all endpoints, oldest first."""
    return session.get(_path(), _Endpoints).endpoints


def read(session: Session, endpoint: str) -> Endpoint:
    """Return an endpoint; raises the problem `not-found`."""
    return session.get(_path(endpoint), Endpoint)


def create(session: Session, wanted: Wanted) -> WithSecret:
    """Create an endpoint; raises `endpoint-not-allowed`, `invalid-key`, `tenant-limit-reached`."""
    return session.post(_path(), wanted, WithSecret)


def change(session: Session, endpoint: str, wanted: Wanted) -> Endpoint:
    """Change an endpoint; raises the problems `endpoint-not-allowed` and `invalid-key`."""
    return decoded(session.send("PATCH", _path(endpoint), body=wanted), Endpoint)


def pause(session: Session, endpoint: str, *, paused: bool) -> Endpoint:
    """Pause an endpoint, or let it continue; a disabled endpoint stays disabled."""
    return decoded(session.send("PATCH", _path(endpoint), body={"paused": paused}), Endpoint)


def enable(session: Session, endpoint: str, *, from_now: bool) -> Endpoint:
    """Enable an endpoint, with the events since it stopped or only with new events."""
    body = {"from": "now" if from_now else "stopped"}
    return session.post(_path(endpoint, "enable"), body, Endpoint)


def rotate(session: Session, endpoint: str) -> WithSecret:
    """Replace the signing secret; the old one also signs for a day."""
    return decoded(session.send("POST", _path(endpoint, "rotate")), WithSecret)


def delete(session: Session, endpoint: str) -> None:
    """Delete an endpoint and its deliveries; raises the problem `not-found`."""
    session.send("DELETE", _path(endpoint))


def test(session: Session, endpoint: str) -> Delivery:
    """Send a test; return its delivery."""
    return decoded(session.send("POST", _path(endpoint, "test")), Delivery)


def replay(session: Session, endpoint: str, wanted: WantedReplay) -> Endpoint:
    """Deliver events again; raises `replay-under-way` while another replay runs."""
    return session.post(_path(endpoint, "replay"), wanted, Endpoint)


def deliveries(
    session: Session, endpoint: str, *, state: str = "", cursor: str = "", limit: int = 100
) -> Deliveries:
    """Return a page of deliveries, those of the newest events first, and tests at the end."""
    path = _path(endpoint, "deliveries")
    return session.get(path, Deliveries, state=state, cursor=cursor, limit=limit)


def delivery(session: Session, endpoint: str, name: str) -> Delivery:
    """Return one delivery; raises `not-found`, or `malformed-request` for a text that is no id."""
    return session.get(_path(endpoint, "deliveries", name), Delivery)


def retry(session: Session, endpoint: str, name: str) -> Delivery:
    """Deliver an event again; an open delivery is tried immediately."""
    return decoded(session.send("POST", _path(endpoint, "deliveries", name, "retry")), Delivery)


def _path(*more: str) -> str:
    return address("v1", "webhooks", *more)
