"""The rate limits of tenants and clients, for Flask's routes and for the fast path.

Flask-Limiter checks requests to Flask's routes. The fast path, which runs below Flask, uses the
same counters through the same strategy object. A counter belongs to one limit: when the limit of a
tenant changes, a new window begins.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from flask import Flask, Response
from flask_limiter import ApplicationLimit, Limiter, RequestLimit
from limits import RateLimitItem, RateLimitItemPerMinute

from servicekit.limit_counts import refusals
from servicekit.problems import RATE_LIMITED, ProblemError

# Imported for their effect: they register their URL schemes.
from servicekit.ratelimits import guarded, uwsgicache  # noqa: F401
from servicekit.ratelimits.leases import Leases
from servicekit.tokens import Principal

# The name of the policy for the bytes of a tenant.
BYTES = "tenant-bytes"


class Amounts(NamedTuple):
    """The limits for a minute: of a tenant with all its clients, and of each client."""

    tenant_requests: int
    client_requests: int
    tenant_bytes: int | None = None


@dataclass(frozen=True)
class RateLimitSettings:
    """The settings of rate limits. `url` is any URL of the package `limits`.

    `amounts` returns the limits of a tenant by its name; without it, the numbers of requests per
    minute apply to all tenants.
    """

    url: str
    tenant_requests_per_minute: int
    client_requests_per_minute: int
    amounts: Callable[[str], Amounts] | None = None

    def amounts_of(self, tenant: str) -> Amounts:
        """Return the limits of a tenant."""
        if self.amounts is not None:
            return self.amounts(tenant)
        return Amounts(self.tenant_requests_per_minute, self.client_requests_per_minute)


class RateLimits:
    """The rate limits: they count requests by tenant and by client in fixed windows of a minute."""

    def __init__(self, settings: RateLimitSettings, principal: Callable[[], Principal | None]):
        self._amounts = settings.amounts_of
        self._principal = principal
        self._leases = Leases()
        self.limiter = Limiter(
            key_func=lambda: "",
            application_limits=[self._application_limit(name) for name in ("client", "tenant")],
            storage_uri="guarded://",
            storage_options={"inner": settings.url},
            strategy="fixed-window",
            on_breach=self._refuse,
        )

    def _application_limit(self, name: str) -> ApplicationLimit:
        def provider() -> str:
            principal = self._principal()
            return str(self._item(name, principal.tenant if principal else ""))

        return ApplicationLimit(
            limit_provider=provider,
            key_function=lambda: self._key(name, self._principal()),
            scope=name,
            exempt_when=lambda: self._principal() is None,
        )

    def _item(self, name: str, tenant: str) -> RateLimitItem:
        amounts = self._amounts(tenant)
        return _per_minute(amounts.client_requests if name == "client" else amounts.tenant_requests)

    @staticmethod
    def _key(name: str, principal: Principal | None) -> str:
        if principal is None:
            return ""
        return principal.tenant if name == "tenant" else f"{principal.tenant}/{principal.subject}"

    def init_app(self, app: Flask) -> None:
        """Install the limits for the routes of `app`, after the hook that sets the principal."""
        self.limiter.init_app(app)

    def charge(self, principal: Principal) -> None:
        """Count one request outside Flask; raise the problem `quota-exceeded`."""
        amounts = self._amounts(principal.tenant)
        for name, amount in (
            ("client", amounts.client_requests),
            ("tenant", amounts.tenant_requests),
        ):
            item, key = _per_minute(amount), self._key(name, principal)
            if not self._leases.hit(self.limiter.limiter, item, key, name):
                stats = self.limiter.limiter.get_window_stats(item, key, name)
                raise refusal(name, item, stats.reset_time)

    def count_more(self, tenant: str, subject: str, requests: int) -> None:
        """Count a completed request as `requests` more requests; never refuse it."""
        amounts = self._amounts(tenant)
        for name, key, amount in (
            ("client", f"{tenant}/{subject}", amounts.client_requests),
            ("tenant", tenant, amounts.tenant_requests),
        ):
            item = _per_minute(amount)
            self.limiter.storage.incr(item.key_for(key, name), item.get_expiry(), requests)

    def charge_bytes(self, principal: Principal, size: int | None) -> None:
        """Count a body of `size` bytes, or `None` for an unknown size.

        Raise the problem `quota-exceeded` if the tenant has already sent its bytes of this minute.
        A body that is larger than the rest is accepted completely, as the last one of the minute.
        """
        limit = self._amounts(principal.tenant).tenant_bytes
        if limit is None:
            return
        item, storage = _per_minute(limit), self.limiter.storage
        counter = item.key_for(principal.tenant, BYTES)
        if size:
            sent = storage.incr(counter, item.get_expiry(), size) - size
        else:
            sent = storage.get(counter)
        if sent >= limit:
            raise refusal(BYTES, item, storage.get_expiry(counter), "content-bytes")

    def counted(self, name: str, seconds: int) -> int:
        """Add one to the counter `name`, which lives at most `seconds`; return its new value.

        The counter may restart earlier, so use it only where that does no harm.
        """
        return self.limiter.storage.incr(name, seconds)

    def count_bytes(self, principal: Principal, size: int) -> None:
        """Count a received body that had no known size before; it is not refused."""
        limit = self._amounts(principal.tenant).tenant_bytes
        if limit is not None and size:
            item = _per_minute(limit)
            self.limiter.storage.incr(
                item.key_for(principal.tenant, BYTES), item.get_expiry(), size
            )

    def _refuse(self, breached: RequestLimit) -> Response | None:
        raise refusal(breached.request_args[1], breached.limit, breached.reset_at)


def refusal(name: str, item: RateLimitItem, reset_at: float, unit: str = "") -> ProblemError:
    """Count a refusal; return its problem.

    The problem has the header fields of draft-ietf-httpapi-ratelimit-headers-11. `unit` is the
    draft's quota unit, and empty for requests.
    """
    refusals.note(((name,), 1))
    # Flask-Limiter rounds up itself, so the result can exceed the window by a second.
    seconds = min(max(1, math.ceil(reset_at - time.time())), item.get_expiry())
    what = "bytes" if unit else "requests"
    policy = f'"{name}";q={item.amount};w={item.get_expiry()}' + (f';qu="{unit}"' if unit else "")
    return RATE_LIMITED(
        f"More than {item.amount} {what} per {item.get_expiry()} seconds for this "
        f"{name.partition('-')[0]}. Try again in {seconds} seconds.",
        headers=(
            ("Retry-After", str(seconds)),
            ("RateLimit-Policy", policy),
            ("RateLimit", f'"{name}";r=0;t={seconds}'),
        ),
        retry_after=seconds,
        violated_policies=[name],
    )


@lru_cache(maxsize=1024)
def _per_minute(amount: int) -> RateLimitItem:
    # The item has no namespace, because Flask-Limiter creates items from text, which has no
    # namespace.
    return RateLimitItemPerMinute(amount)
