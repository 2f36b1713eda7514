"""Fixtures of the console's tests."""

from __future__ import annotations

from tests.servers.console import console, gateway
from tests.servers.redis import redis_server

__all__ = ["console", "gateway", "redis_server"]
