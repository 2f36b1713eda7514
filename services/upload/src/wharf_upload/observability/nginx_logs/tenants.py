"""Traffic by tenant with a bounded number of labels: the busiest have their own, the rest is one.

Whoever comes when there is room gets a label at once. Once a minute the quietest of the named give
theirs to the busiest of the rest, when those are much busier. A tenant's counters begin at 0 with
its label, and go on where they were when it comes back; what it did without a label stays with the
rest for ever. So no counter ever falls, each request is in exactly one of them, and all of them
together are all requests.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

OTHERS, NOBODY = "(other)", "(none)"
REASONS = {"429": "rate", "507": "quota", "413": "size", "401": "denied", "403": "denied"}
# With each minute past what somebody did counts half as much.
_DECAY = 0.5
# To take a label one has to be busier than its owner by this factor: or they would swap for ever.
_MUCH = 1.5
# Of tenants without a label only scores are kept, and of the quiet ones not even these.
_MOST_SCORES = 5000
# A request is worth as much as so many bytes.
_REQUEST_BYTES = 64 * 1024


class Request(Protocol):
    """What is looked at of a request."""

    @property
    def tenant(self) -> str: ...
    @property
    def answer(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def service_seconds(self) -> float | None: ...
    @property
    def received_bytes(self) -> int: ...
    @property
    def sent_bytes(self) -> int: ...


class Traffic(msgspec.Struct):
    """What one label has counted."""

    answers: dict[str, int] = {}
    refusals: dict[str, int] = {}
    received_bytes: int = 0
    sent_bytes: int = 0
    service_seconds: float = 0.0

    def add(self, request: Request) -> None:
        """Counts a request."""
        self.answers[request.answer] = self.answers.get(request.answer, 0) + 1
        if request.answer == "4xx" or request.code == "507":
            reason = REASONS.get(request.code, "other")
            self.refusals[reason] = self.refusals.get(reason, 0) + 1
        self.received_bytes += request.received_bytes
        self.sent_bytes += request.sent_bytes
        self.service_seconds += request.service_seconds or 0.0


class Tenants(msgspec.Struct):
    """`named` are those that are shown; `past` those that once were, with what they had counted."""

    most: int = 20
    named: dict[str, Traffic] = {}
    past: dict[str, Traffic] = {}
    rest: Traffic = msgspec.field(default_factory=Traffic)
    nobody: Traffic = msgspec.field(default_factory=Traffic)
    scores: dict[str, float] = {}

    def add(self, request: Request) -> None:
        """Counts a request for its tenant, or for the rest."""
        tenant = request.tenant
        if tenant == NOBODY:
            self.nobody.add(request)
            return
        worth = _REQUEST_BYTES + request.received_bytes + request.sent_bytes
        self.scores[tenant] = self.scores.get(tenant, 0.0) + worth
        traffic = self.named.get(tenant)
        if traffic is None:
            if len(self.named) >= self.most:
                self.rest.add(request)
                return
            traffic = self._name(tenant)
        traffic.add(request)

    def shown(self) -> dict[str, Traffic]:
        """Traffic by label."""
        return {**self.named, OTHERS: self.rest, NOBODY: self.nobody}

    def rank(self) -> None:
        """Gives labels to those who are much busier than their owners; to be called each minute."""
        while len(self.named) > self.most:  # the setting was lowered
            self._unname(min(self.named, key=self._score))
        waiting = sorted(
            (tenant for tenant in self.scores if tenant not in self.named),
            key=self._score,
            reverse=True,
        )
        for tenant in waiting[: self.most]:
            if len(self.named) >= self.most:
                quietest = min(self.named, key=self._score)
                if self._score(tenant) <= _MUCH * self._score(quietest):
                    break
                self._unname(quietest)
            self._name(tenant)
        self._fade()

    def _name(self, tenant: str) -> Traffic:
        traffic = self.named[tenant] = self.past.pop(tenant, Traffic())
        return traffic

    def _unname(self, tenant: str) -> None:
        self.past[tenant] = self.named.pop(tenant)
        while len(self.past) > 10 * self.most:
            # It would begin at 0 again, as after a restart.
            del self.past[next(iter(self.past))]

    def _score(self, tenant: str) -> float:
        return self.scores.get(tenant, 0.0)

    def _fade(self) -> None:
        faded = {tenant: _DECAY * score for tenant, score in self.scores.items() if score >= 1}
        if len(faded) > _MOST_SCORES:
            busiest = sorted(faded, key=faded.__getitem__, reverse=True)[:_MOST_SCORES]
            faded = {tenant: faded[tenant] for tenant in busiest}
        self.scores = faded
