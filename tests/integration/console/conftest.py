"""Fixtures for the services behind the console."""

from __future__ import annotations

from tests.servers.console import gateway
from tests.servers.redis import redis_server

__all__ = ["gateway", "redis_server"]
