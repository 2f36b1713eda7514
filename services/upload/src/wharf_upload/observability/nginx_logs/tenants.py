"""Traffic by tenant, with a limited number of labels.

The busiest tenants have separate labels; all other tenants share the label `(other)`. While labels
are free, a new tenant gets one immediately. Once a minute the busiest tenants without a label take
the labels of the quietest tenants that have one, if they are much busier.

A tenant's counters begin at 0 when the tenant first gets a label. When the tenant gets a label
again, the counters continue from their last values. Only if very many tenants have lost a label,
the oldest values are forgotten, and those counters begin at 0 again. Requests of a tenant without a
label stay in `(other)` permanently, so each request is in exactly one counter.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

OTHERS, NOBODY = "(other)", "(none)"
REASONS = {"429": "rate", "507": "quota", "413": "size", "401": "denied", "403": "denied"}
# The factor by which a tenant's score falls each minute.
_DECAY = 0.5
# A tenant must be busier than a label's owner by this factor to take the label. Otherwise two
# tenants of similar traffic would swap the label each minute.
_MUCH = 1.5
# The limit of scores in memory; the scores of the quietest tenants are dropped.
_MOST_SCORES = 5000
# A request counts in the score as much as this number of bytes.
_REQUEST_BYTES = 64 * 1024


class Request(Protocol):
    """The fields of a request that are counted."""

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
    """The counters of one label."""

    answers: dict[str, int] = {}
    refusals: dict[str, int] = {}
    received_bytes: int = 0
    sent_bytes: int = 0
    service_seconds: float = 0.0

    def add(self, request: Request) -> None:
        """Count a request."""
        self.answers[request.answer] = self.answers.get(request.answer, 0) + 1
        if request.answer == "4xx" or request.code == "507":
            reason = REASONS.get(request.code, "other")
            self.refusals[reason] = self.refusals.get(reason, 0) + 1
        self.received_bytes += request.received_bytes
        self.sent_bytes += request.sent_bytes
        self.service_seconds += request.service_seconds or 0.0


class Tenants(msgspec.Struct):
    """The counters of all tenants.

    `named` are the tenants with a label. `past` are tenants that had a label earlier, with their
    counters. `most` is the limit of labels.
    """

    most: int = 20
    named: dict[str, Traffic] = {}
    past: dict[str, Traffic] = {}
    rest: Traffic = msgspec.field(default_factory=Traffic)
    nobody: Traffic = msgspec.field(default_factory=Traffic)
    scores: dict[str, float] = {}

    def add(self, request: Request) -> None:
        """Count a request for its tenant, or for `(other)` if the tenant can get no label.

        A request without a tenant counts for `(none)`.
        """
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
        """Return the traffic by label."""
        return {**self.named, OTHERS: self.rest, NOBODY: self.nobody}

    def rank(self) -> None:
        """Move labels to tenants that are much busier than the labels' owners.

        The collector calls this method each minute.
        """
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
            # The counters of this tenant begin at 0 if it gets a label again.
            del self.past[next(iter(self.past))]

    def _score(self, tenant: str) -> float:
        return self.scores.get(tenant, 0.0)

    def _fade(self) -> None:
        faded = {tenant: _DECAY * score for tenant, score in self.scores.items() if score >= 1}
        if len(faded) > _MOST_SCORES:
            busiest = sorted(faded, key=faded.__getitem__, reverse=True)[:_MOST_SCORES]
            faded = {tenant: faded[tenant] for tenant in busiest}
        self.scores = faded
