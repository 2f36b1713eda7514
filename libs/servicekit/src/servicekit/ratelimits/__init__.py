"""Rate limits by tenant and client: Flask-Limiter with counters that all workers share."""

from __future__ import annotations

from servicekit.ratelimits.limiting import Amounts, RateLimits, RateLimitSettings

__all__ = ["Amounts", "RateLimitSettings", "RateLimits"]
