"""Judges who may: the one place, whichever protocol a request speaks.

A protocol finds the credential of its request and makes a principal of it (for HTTP:
`http/credentials.py`). Here the principal is asked for a scope, and counted against the rate limits
of its tenant.
"""

from __future__ import annotations

from typing import Protocol

from servicekit.access import RevocationChecker, require_scope
from servicekit.tokens import Principal

READ, WRITE, DELETE = "files:read", "files:write", "files:delete"
ADMINISTER, FOLLOW = "buckets:admin", "events:read"


class RateCounters(Protocol):
    """Counts requests of tenants and clients; see `servicekit.ratelimits.RateLimits`."""

    def charge(self, principal: Principal) -> None:
        """Count a request; raises the problem `rate-limited`."""


class Authorizer:
    """Tells whether principals may do what they ask."""

    def __init__(self, revocations: RevocationChecker, rates: RateCounters) -> None:
        self._revocations, self._rates = revocations, rates

    def require(self, principal: Principal, scope: str, *, takes_tickets: bool) -> None:
        """Raise the problem `insufficient-scope` or `rate-limited`, else count the request."""
        require_scope(principal, scope, takes_tickets=takes_tickets)
        self._rates.charge(principal)

    def recheck(self, principal: Principal) -> Principal:
        """Return who was admitted to upload, with the reach that it has now.

        Raises a problem when it is revoked or suspended, or may not upload any more. A token that
        expired meanwhile stays good: its body may have taken hours.
        """
        now = self._revocations.accepted(principal)
        require_scope(now, WRITE, takes_tickets=True)
        return now
