"""Two Wharfs on one PostgreSQL, one Redis and one folder, begun at the same moment."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer, postgres
from tests.servers.redis import RedisServer, redis_server
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf, start
from tests.servers.wharf.tenants import Signer, Tenants

__all__ = ["postgres", "redis_server"]


@dataclass
class Pair:
    """Two replicas, and what they share."""

    a: Wharf
    b: Wharf
    postgres: PostgresServer
    redis: RedisServer
    database_url: str

    def stop(self) -> None:
        """Stops those that run."""
        for wharf in (self.a, self.b):
            if wharf.process.poll() is None:
                wharf.stop()

    def clients(self, **claims: Any) -> tuple[ApiClient, ApiClient]:
        """One client of a tenant of its own, at each replica."""
        at_a = Signer(self.a).client(**claims)
        return at_a, self.at_b(at_a)

    def at_b(self, client: ApiClient) -> ApiClient:
        """The same client at the second replica."""
        return ApiClient(self.b.port, client.token, client.tenant)


@pytest.fixture(scope="session")
def pair(postgres: PostgresServer, redis_server: RedisServer) -> Iterator[Pair]:
    """The two, on empty data."""
    base = Path(tempfile.mkdtemp(prefix="wharf-e2e-"))
    port = free_port()
    shared = {
        "WHARF_DATABASE_URL": postgres.new_database(),
        "WHARF_LIMITS_URL": redis_server.url,
        "WHARF_ISSUER": f"http://127.0.0.1:{port}/auth",
        # All of it shares the cores of one machine.
        "WHARF_UPLOAD_PROCESSES": "1",
        "WHARF_NGINX_WORKERS": "1",
    }
    own = ({"WHARF_INSTANCE": "a", "WHARF_PORT": str(port)}, {"WHARF_INSTANCE": "b"})

    def begin(settings: dict[str, str]) -> Wharf:
        folder = base / settings["WHARF_INSTANCE"]
        folder.mkdir()
        return start(folder, base / "data", {**shared, **settings})

    try:
        with ThreadPoolExecutor(2) as starters:
            a, b = starters.map(begin, own)
        found = Pair(a, b, postgres, redis_server, shared["WHARF_DATABASE_URL"])
        try:
            yield found
        finally:
            found.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def tenants(pair: Pair) -> Tenants:
    """Makes tenants and clients through the first replica's auth."""
    return Tenants(pair.a)
