"""Webhooks: endpoints that hear a tenant's events, and the deliveries of single events."""

from __future__ import annotations

import random
from typing import Literal

import msgspec

from wharf_upload.domain.events import Event

State = Literal["active", "paused", "disabled"]
DeliveryState = Literal["open", "done", "failed"]
# The waits before the second try and later tries: three days in all (webhooks.md).
WAITS_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
TRIES = len(WAITS_SECONDS) + 1
_SPREAD = 0.1
# The most deliveries of an endpoint that are open at the same time.
MOST_OPEN = 100
# After so many failures in a row, one delivery at a time tries whether the endpoint works again.
PROBING_FAILURES = 20
# An endpoint that has only failed for this time is disabled.
DISABLED_AFTER_SECONDS = 5 * 86_400
# The most deliveries of an endpoint that are under way, unless its receiver asks for fewer.
FULL_WINDOW = 4
TEST_KIND = "webhook.test"
# The statuses by which a receiver asks for fewer requests.
BUSY = (429, 502, 503, 504)
# The lanes of the jobs that deliver events and replay them.
DELIVERY_LANE, REPLAY_LANE = "webhook", "bulk"


def subject_of(subject: str) -> tuple[str, int]:
    """Return the endpoint and the event's number that the subject of a job names."""
    endpoint, _, seq = subject.rpartition("/")
    return endpoint, int(seq)


class Secret(msgspec.Struct, frozen=True):
    """A sealed signing secret; `ends_at` is when it stops signing, in unix milliseconds.

    `None` means that it signs until it is replaced.
    """

    sealed: str
    ends_at: int | None = None


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The events that an endpoint receives: of these kinds, and of files at these places.

    No kinds means all kinds; an empty bucket or prefix means all of them. An event without a file
    passes only if there is no filter for places.
    """

    kinds: tuple[str, ...] = ()
    bucket: str = ""
    prefix: str = ""

    def passes(self, event: Event) -> bool:
        """Tell whether the endpoint receives the event; a move counts at both addresses."""
        if self.kinds and event.kind not in self.kinds:
            return False
        if not self.bucket and not self.prefix:
            return True
        places = (event.file, event.moved_from)
        return any(
            place is not None
            and self.bucket in ("", place.bucket)
            and place.key.startswith(self.prefix)
            for place in places
        )


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """A replay under way: events after `position` up to `until` are delivered again.

    With `failed_only`, only events whose delivery failed.
    """

    id: str
    position: int
    until: int
    kinds: tuple[str, ...] = ()
    failed_only: bool = False


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An address that receives the tenant's events as requests; times are unix milliseconds.

    `position` is the number of the last event that was read. `failures` counts failures in a
    row, `failing_since` is the first of them. `window` is the most deliveries that are under way.
    `gap_at` is when events were deleted before the endpoint received them. `reason` says why the
    endpoint is disabled.
    """

    tenant: str
    id: str
    url: str
    description: str = ""
    filter: EventFilter = EventFilter()
    secrets: tuple[Secret, ...]
    ordered: bool = False
    state: State = "active"
    reason: str = ""
    position: int
    failures: int = 0
    failing_since: int | None = None
    window: int = FULL_WINDOW
    gap_at: int | None = None
    replay: Replay | None = None
    created_at: int

    @property
    def share(self) -> str:
        """Return the name of the endpoint's share in the lane of deliveries."""
        return f"{self.tenant}/{self.id}"

    @property
    def room(self) -> int:
        """Return the most deliveries that may be open at the same time."""
        return 1 if self.ordered else MOST_OPEN

    @property
    def effective_window(self) -> int:
        """Return the most deliveries that may be under way now."""
        return 1 if self.ordered or self.failures >= PROBING_FAILURES else self.window


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The delivery of an event to an endpoint; times are unix milliseconds.

    `seq` is the event's number; tests have numbers below 0. `status` is the last HTTP status, 0 if
    there was no answer. `milliseconds` is how long the last try took, `answer` the beginning of the
    last answer, and `error` says why the last try failed.
    """

    tenant: str
    endpoint: str
    seq: int
    kind: str
    state: DeliveryState = "open"
    attempts: int = 0
    status: int = 0
    milliseconds: int = 0
    error: str = ""
    answer: str = ""
    created_at: int
    tried_at: int | None = None
    next_at: int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a receiver to one try; `at` is when the try began, in unix milliseconds.

    `status` is 0 if there was no answer, and `error` then says why. `retry_after_seconds` is the
    wait that the receiver asks for, if it asks. With `is_allowed` false, the operator's rules did
    not permit the address, and no request was sent.
    """

    at: int
    status: int = 0
    milliseconds: int = 0
    error: str = ""
    body: str = ""
    retry_after_seconds: float | None = None
    is_allowed: bool = True

    @property
    def accepts(self) -> bool:
        """Tell whether the receiver accepted the event."""
        return 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Tell whether the receiver wants no more deliveries (RFC 9110 section 15.5.11)."""
        return self.status == 410

    @property
    def is_busy(self) -> bool:
        """Tell whether the receiver asks for fewer requests."""
        return self.status in BUSY


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A try and what follows from it.

    `wait_seconds` is the time until the next try, `None` if the delivery has ended.
    """

    answer: Answer
    state: DeliveryState
    wait_seconds: float | None = None

    @property
    def next_at(self) -> int | None:
        """Return the time of the next try in unix milliseconds, or `None`."""
        if self.wait_seconds is None:
            return None
        answered_at = self.answer.at + self.answer.milliseconds
        return answered_at + int(self.wait_seconds * 1000)


def tried(delivery: Delivery, answer: Answer) -> Tried:
    """Return what follows from the answer to the next try of a delivery."""
    attempts = delivery.attempts + 1
    if answer.accepts:
        return Tried(answer=answer, state="done")
    if answer.is_gone or attempts >= TRIES:
        return Tried(answer=answer, state="failed")
    asked = answer.retry_after_seconds if answer.is_busy else None
    return Tried(answer=answer, state="open", wait_seconds=wait_seconds(attempts, asked))


def wait_seconds(attempts: int, asked_seconds: float | None = None) -> float:
    """Return the seconds to wait after a number of failed tries.

    The wait is spread by 10 %, so that deliveries that failed together do not return together. A
    receiver may ask for a longer wait.
    """
    base = WAITS_SECONDS[min(attempts, len(WAITS_SECONDS)) - 1]
    spread = base * random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 -- no secret
    return max(spread, asked_seconds or 0.0)
