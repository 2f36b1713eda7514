"""Checks the permissions of principals, for all protocols.

The code of a protocol makes a principal from the credential of its request (for HTTP:
`http/credentials.py`). The authorizer checks that the principal has a scope, and counts the request
against the rate limits of the tenant.
"""

from __future__ import annotations

from typing import Protocol

from servicekit.access import RevocationChecker, require_scope
from servicekit.tokens import Principal

READ, WRITE, DELETE = "files:read", "files:write", "files:delete"
ADMINISTER, FOLLOW = "buckets:admin", "events:read"
WEBHOOKS = "webhooks:admin"


class RateCounters(Protocol):
    """Counts the requests of tenants and clients; see `servicekit.ratelimits.RateLimits`."""

    def charge(self, principal: Principal) -> None:
        """Count a request; raises the problem `quota-exceeded` above a rate limit."""


class Authorizer:
    """Checks the scopes of principals, and counts their requests against the rate limits."""

    def __init__(self, revocations: RevocationChecker, rates: RateCounters) -> None:
        self._revocations, self._rates = revocations, rates

    def require(self, principal: Principal, scope: str, *, takes_tickets: bool) -> None:
        """Check the scope, then count the request.

        Raises the problem `insufficient-scope` or `quota-exceeded`. With `takes_tickets`, the
        principal may have an upload ticket.
        """
        require_scope(principal, scope, takes_tickets=takes_tickets)
        self._rates.charge(principal)

    def recheck(self, principal: Principal) -> Principal:
        """Return the principal of an admitted upload with its current scopes and reach.

        Raises a problem if the token was revoked, the tenant was suspended, or the principal may no
        longer upload. A token that has expired since the admission is still accepted, because
        receiving the body may take hours.
        """
        now = self._revocations.accepted(principal)
        require_scope(now, WRITE, takes_tickets=True)
        return now
