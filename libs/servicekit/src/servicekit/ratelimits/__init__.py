"""Rate limits by tenant and client: Flask-Limiter on storages that are right across workers."""

from __future__ import annotations

from servicekit.ratelimits.limiting import Amounts, RateLimits, RateLimitSettings

__all__ = ["Amounts", "RateLimitSettings", "RateLimits"]
