"""Servers that the contract suites run against."""

from tests.servers.auth import auth, auth_settings, auth_template
from tests.servers.postgres import new_postgres_url, postgres, postgres_url
from tests.servers.redis import redis_server, redis_url

__all__ = [
    "auth",
    "auth_settings",
    "auth_template",
    "new_postgres_url",
    "postgres",
    "postgres_url",
    "redis_server",
    "redis_url",
]
