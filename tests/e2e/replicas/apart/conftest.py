"""Two replicas with separate folders, one PostgreSQL, one Redis, and an object store."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from servicekit.sealing import KeyRing
from tests.servers.object_stores import ObjectStore
from tests.servers.ports import free_ports
from tests.servers.postgres import PostgresServer, postgres
from tests.servers.redis import RedisServer, redis_server
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf, start
from tests.servers.wharf.tenants import Signer

__all__ = ["postgres", "redis_server"]


@dataclass
class Apart:
    """Two replicas; `start` starts a replica again after the test has killed it."""

    base: Path
    settings: dict[str, dict[str, str]]
    database_url: str
    running: dict[str, Wharf] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start a replica on its own folder, and wait until it serves requests."""
        output = Path(tempfile.mkdtemp(dir=self.base))
        self.running[name] = start(output, self.base / name, self.settings[name])

    def clients(self) -> tuple[ApiClient, ApiClient]:
        """Return a client of a new tenant at each replica."""
        at_a = Signer(self.running["a"]).client()
        return at_a, ApiClient(self.running["b"].port, at_a.token, at_a.tenant)

    def parts(self, name: str) -> set[str]:
        """Return the names of the unfinished uploads that a replica has on its disk."""
        return {path.name for path in (self.base / name / "resumable").iterdir()}

    def received_bytes(self, name: str, upload: str) -> int:
        """Return how many bytes of an unfinished upload a replica has."""
        return (self.base / name / "resumable" / upload).stat().st_size

    def stop(self) -> None:
        """Stop the running replicas."""
        for wharf in self.running.values():
            if wharf.process.poll() is None:
                wharf.stop()


@pytest.fixture(scope="package")
def apart(
    postgres: PostgresServer, redis_server: RedisServer, radosgw: ObjectStore
) -> Iterator[Apart]:
    """Start both replicas at the same moment, with shared keys and credentials of auth."""
    base = Path(tempfile.mkdtemp(prefix="wharf-e2e-"))
    ports = dict(zip("ab", free_ports(), strict=True))
    doors = dict(zip("ab", free_ports(), strict=True))
    database_url = postgres.new_database()
    shared = {
        **radosgw.settings(base),
        "WHARF_DATABASE_URL": database_url,
        "WHARF_LIMITS_URL": redis_server.url,
        "WHARF_ISSUER": f"http://127.0.0.1:{ports['a']}/auth",
        "WHARF_DATA_SHARED": "false",
        "WHARF_CREDENTIALS": str(base / "credentials.json"),
        "WHARF_SECRETS_KEY_FILE": str(base / "secrets.keys"),
        "WHARF_SWEEP_SECONDS": "1",
        "WHARF_UPLOAD_PROCESSES": "1",
        "WHARF_NGINX_WORKERS": "1",
    }
    own = {
        name: {
            **shared,
            "WHARF_INSTANCE": name,
            "WHARF_PORT": str(ports[name]),
            "WHARF_REPLICA_ADDRESS": f"127.0.0.1:{doors[name]}",
            "WHARF_REPLICA_DOOR": f"127.0.0.1:{doors[name]}",
        }
        for name in "ab"
    }
    KeyRing.create(base / "secrets.keys")
    # The replicas share auth's keys, as replicas on several machines would by a secret.
    (base / "a" / "auth").mkdir(0o700, parents=True)
    (base / "b").mkdir(0o700)
    (base / "b" / "auth").symlink_to(base / "a" / "auth")
    found = Apart(base, own, database_url)
    try:
        with ThreadPoolExecutor(2) as starters:
            list(starters.map(found.start, own))
        yield found
        found.stop()
    finally:
        for wharf in found.running.values():
            if wharf.process.poll() is None:
                wharf.kill()
        shutil.rmtree(base, ignore_errors=True)
