"""Two replicas of Wharf on one PostgreSQL, one Redis and one folder, started at the same moment."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers.ports import free_ports
from tests.servers.postgres import PostgresServer, postgres
from tests.servers.redis import RedisServer, redis_server
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf, start
from tests.servers.wharf.live_client import Listener
from tests.servers.wharf.tenants import ALL_SCOPES, Signer, Tenants

__all__ = ["postgres", "redis_server"]
_READY = ("/readyz", "/auth/readyz", "/console/readyz")


@dataclass
class Pair:
    """Two replicas, and everything that they share."""

    base: Path
    settings: dict[str, dict[str, str]]
    postgres: PostgresServer
    redis: RedisServer
    database_url: str
    running: dict[str, Wharf] = field(default_factory=dict)

    @property
    def a(self) -> Wharf:
        """Return the first replica."""
        return self.running["a"]

    @property
    def b(self) -> Wharf:
        """Return the second replica."""
        return self.running["b"]

    def start(self, name: str) -> None:
        """Start a replica, and wait until it serves requests."""
        output = Path(tempfile.mkdtemp(dir=self.base))
        self.running[name] = start(output, self.base / "data", self.settings[name])

    def is_whole(self) -> bool:
        """Tell whether all services of both replicas work."""
        return all(
            client.put("whole").status in {200, 201}
            and all(client.get(path).status == 200 for path in _READY)
            and Listener(client.port, client.token).connect().was_let_in()
            for client in self.clients(scope=f"{' '.join(ALL_SCOPES)} events:read")
        )

    def stop(self) -> None:
        """Stop the running replicas."""
        for wharf in self.running.values():
            if wharf.process.poll() is None:
                wharf.stop()

    def clients(self, **claims: Any) -> tuple[ApiClient, ApiClient]:
        """Return a client of a new tenant at each replica."""
        at_a = Signer(self.a).client(**claims)
        return at_a, self.at_b(at_a)

    def at_b(self, client: ApiClient) -> ApiClient:
        """Return a client of the second replica with the same token and tenant."""
        return ApiClient(self.b.port, client.token, client.tenant)


@pytest.fixture(scope="package")
def pair(postgres: PostgresServer, redis_server: RedisServer) -> Iterator[Pair]:
    """Start both replicas on empty data."""
    base = Path(tempfile.mkdtemp(prefix="wharf-e2e-"))
    ports = dict(zip("ab", free_ports(), strict=True))
    shared = {
        "WHARF_DATABASE_URL": postgres.new_database(),
        "WHARF_LIMITS_URL": redis_server.url,
        "WHARF_ISSUER": f"http://127.0.0.1:{ports['a']}/auth",
        # All processes share the CPU cores of one machine.
        "WHARF_UPLOAD_PROCESSES": "1",
        "WHARF_NGINX_WORKERS": "1",
    }
    own = {
        name: {**shared, "WHARF_INSTANCE": name, "WHARF_PORT": str(port)}
        for name, port in ports.items()
    }
    found = Pair(base, own, postgres, redis_server, shared["WHARF_DATABASE_URL"])
    try:
        with ThreadPoolExecutor(2) as starters:
            list(starters.map(found.start, own))
        yield found
    finally:
        found.stop()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def tenants(pair: Pair) -> Tenants:
    """Return the object that creates tenants and clients through the first replica's auth."""
    return Tenants(pair.a)
