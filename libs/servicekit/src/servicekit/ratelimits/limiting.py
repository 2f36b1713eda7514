"""The limits themselves: per tenant and per client, the same in Flask's routes and on the hot path.

Flask-Limiter guards Flask's routes. The hot path, which runs below Flask, charges the same
counters through the same strategy object. A counter belongs to its limit: when a tenant gets
another limit, its window begins anew.
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

# The name of the policy of a tenant's bytes.
BYTES = "tenant-bytes"


class Amounts(NamedTuple):
    """What a tenant may do in a minute, all its clients together, and each client of it."""

    tenant_requests: int
    client_requests: int
    tenant_bytes: int | None = None


@dataclass(frozen=True)
class RateLimitSettings:
    """`url` is any URL of `limits`; the counts are requests per minute.

    `amounts` gives what holds for a tenant, by its name; without it the counts hold for all.
    """

    url: str
    tenant_requests_per_minute: int
    client_requests_per_minute: int
    amounts: Callable[[str], Amounts] | None = None

    def amounts_of(self, tenant: str) -> Amounts:
        """What holds for a tenant."""
        if self.amounts is not None:
            return self.amounts(tenant)
        return Amounts(self.tenant_requests_per_minute, self.client_requests_per_minute)


class RateLimits:
    """Counts requests by tenant and by client in fixed windows of a minute."""

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
        """Guards the routes of `app`; call it after the hook that sets the principal."""
        self.limiter.init_app(app)

    def charge(self, principal: Principal) -> None:
        """Counts one request made outside Flask; raises the problem `quota-exceeded`."""
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
        """Counts what one request did for so many more; it is done, so it is not refused."""
        amounts = self._amounts(tenant)
        for name, key, amount in (
            ("client", f"{tenant}/{subject}", amounts.client_requests),
            ("tenant", tenant, amounts.tenant_requests),
        ):
            item = _per_minute(amount)
            self.limiter.storage.incr(item.key_for(key, name), item.get_expiry(), requests)

    def charge_bytes(self, principal: Principal, size: int | None) -> None:
        """Counts a body of `size` bytes, `None` when that is not known before it has come.

        Raises the problem `quota-exceeded` when the tenant had sent its bytes of this minute
        before: a body that is larger than the rest is taken whole, and is the minute's last.
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
        """Adds one to a counter of another's, which lives for so long at most; its new value.

        It may begin anew before that: use it for what no harm is done by.
        """
        return self.limiter.storage.incr(name, seconds)

    def count_bytes(self, principal: Principal, size: int) -> None:
        """Counts a body whose size nobody knew before it came; it is here, so it is not refused."""
        limit = self._amounts(principal.tenant).tenant_bytes
        if limit is not None and size:
            item = _per_minute(limit)
            self.limiter.storage.incr(
                item.key_for(principal.tenant, BYTES), item.get_expiry(), size
            )

    def _refuse(self, breached: RequestLimit) -> Response | None:
        raise refusal(breached.request_args[1], breached.limit, breached.reset_at)


def refusal(name: str, item: RateLimitItem, reset_at: float, unit: str = "") -> ProblemError:
    """The problem, with the header fields of draft-ietf-httpapi-ratelimit-headers-11.

    `unit` is the draft's quota unit, left out for requests.
    """
    refusals.note(((name,), 1))
    # Flask-Limiter rounds up on its own, which can make a second more than the window has.
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
    # Without a namespace of our own: Flask-Limiter makes its items from their text alone.
    return RateLimitItemPerMinute(amount)
