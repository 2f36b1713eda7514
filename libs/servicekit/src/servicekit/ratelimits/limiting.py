"""The limits themselves: per tenant and per client, the same in Flask's routes and on the hot path.

Flask-Limiter guards Flask's routes. The hot path, which runs below Flask, charges the same
counters through the same strategy object.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, Response
from flask_limiter import ApplicationLimit, Limiter, RequestLimit
from limits import RateLimitItem, RateLimitItemPerMinute

from servicekit.problems import RATE_LIMITED, ProblemError

# Imported for their effect: they register their URL schemes.
from servicekit.ratelimits import guarded, uwsgicache  # noqa: F401
from servicekit.ratelimits.leases import Leases
from servicekit.tokens import Principal


@dataclass(frozen=True)
class RateLimitSettings:
    """`url` is any URL of `limits`; the counts are requests per minute."""

    url: str
    tenant_requests_per_minute: int
    client_requests_per_minute: int


class RateLimits:
    """Counts requests by tenant and by client in fixed windows of a minute."""

    def __init__(self, settings: RateLimitSettings, principal: Callable[[], Principal | None]):
        self._items: tuple[tuple[str, RateLimitItem], ...] = (
            # Without a namespace of our own: Flask-Limiter makes its items from their text alone.
            ("client", RateLimitItemPerMinute(settings.client_requests_per_minute)),
            ("tenant", RateLimitItemPerMinute(settings.tenant_requests_per_minute)),
        )
        self._principal = principal
        self._leases = Leases()
        self.limiter = Limiter(
            key_func=lambda: "",
            application_limits=[self._application_limit(name, item) for name, item in self._items],
            storage_uri="guarded://",
            storage_options={"inner": settings.url},
            strategy="fixed-window",
            on_breach=self._refuse,
        )

    def _application_limit(self, name: str, item: RateLimitItem) -> ApplicationLimit:
        return ApplicationLimit(
            limit_provider=str(item),
            key_function=lambda: self._key(name, self._principal()),
            scope=name,
            exempt_when=lambda: self._principal() is None,
        )

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
        for name, item in self._items:
            key = self._key(name, principal)
            if not self._leases.hit(self.limiter.limiter, item, key, name):
                stats = self.limiter.limiter.get_window_stats(item, key, name)
                raise refusal(name, item, stats.reset_time)

    def _refuse(self, breached: RequestLimit) -> Response | None:
        raise refusal(breached.request_args[1], breached.limit, breached.reset_at)


def refusal(name: str, item: RateLimitItem, reset_at: float) -> ProblemError:
    """The problem, with the header fields of draft-ietf-httpapi-ratelimit-headers-11."""
    # Flask-Limiter rounds up on its own, which can make a second more than the window has.
    seconds = min(max(1, math.ceil(reset_at - time.time())), item.get_expiry())
    return RATE_LIMITED(
        f"More than {item.amount} requests per {item.get_expiry()} seconds for this {name}. "
        f"Try again in {seconds} seconds.",
        headers=(
            ("Retry-After", str(seconds)),
            ("RateLimit-Policy", f'"{name}";q={item.amount};w={item.get_expiry()}'),
            ("RateLimit", f'"{name}";r=0;t={seconds}'),
        ),
        retry_after=seconds,
        violated_policies=[name],
    )
