"""The parts that deliver events of the tenant `demo`, with a clock that tests can move."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from servicekit.outbound.allow_list import AllowList
from servicekit.outbound.rules import Rules
from servicekit.outbound.sender import Sender
from servicekit.sealing import KeyRing
from servicekit.tokens import Principal
from tests.contract.jobs.lanes import KeepingEngine
from tests.servers.upload import new_file
from wharf_upload import webhook_bootstrap
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.jobs import Lane, Waits
from wharf_upload.domain.webhooks import DELIVERY_LANE, REPLAY_LANE, Delivery, Endpoint, EventFilter
from wharf_upload.jobs.dispatcher import LaneDispatcher
from wharf_upload.jobs.handlers import LaneOfJobs
from wharf_upload.jobs.runner import Runner
from wharf_upload.webhooks.delivering import DeliveryHandler
from wharf_upload.webhooks.documents import Documents
from wharf_upload.webhooks.endpoint_catalog import EndpointCatalog, Shown
from wharf_upload.webhooks.replaying import ReplayHandler
from wharf_upload.webhooks.signing import SigningSecrets

ORIGIN = "https://files.example.com"
_LANE = Lane(name=DELIVERY_LANE, lease_seconds=30, window=4, at_once=32, tries=10, waits=Waits(0.0))
_BULK = Lane(name=REPLAY_LANE, lease_seconds=30, window=1, at_once=2, tries=3, waits=Waits(0.0))


_DAY = 86_401_000


class _Fence:
    def check(self) -> None:
        """Hold."""


def caller() -> Principal:
    """Return a client of the tenant that reaches everything."""
    return Principal("demo", "ops", frozenset(("webhooks:admin",)), "token", 1 << 40)


def _a_day_later(known: Endpoint) -> Endpoint:
    ended = tuple(
        msgspec.structs.replace(secret, ends_at=secret.ends_at and secret.ends_at - _DAY)
        for secret in known.secrets
    )
    return msgspec.structs.replace(known, secrets=ended)


@dataclass
class Sending:
    """The parts, on the records of a test; a receiver must be on 127.0.0.1."""

    records: SqlRecords
    folder: Path
    now: float = field(default_factory=time.time)
    tenant_state: str = "active"
    engine: KeepingEngine = field(default_factory=KeepingEngine)

    def __post_init__(self) -> None:
        """Make the parts."""
        path = self.folder / "secrets.keys"
        if not path.exists():
            KeyRing.create(path)
        self.secrets = SigningSecrets(lambda: KeyRing.load(path))
        sender = Sender(Rules(allow=AllowList.parse("127.0.0.1")), total_seconds=5)
        records = self.records
        self.catalog = EndpointCatalog(
            records.endpoints, records.deliveries, lambda: sender, self.secrets, lambda: self.now
        )
        documents = Documents(ORIGIN, webhook_bootstrap.shown)
        self.delivering = delivering = DeliveryHandler(
            records,
            records.endpoints,
            records.deliveries,
            sender,
            self.secrets,
            documents,
            lambda _: self.tenant_state,
            lambda: self.now,
        )
        lanes = {
            DELIVERY_LANE: LaneOfJobs(_LANE, delivering),
            REPLAY_LANE: LaneOfJobs(_BULK, ReplayHandler(records.fan_out)),
        }
        self.runner = Runner(records.jobs, lanes)
        self._dispatchers = (
            LaneDispatcher(records.jobs, _LANE, self.engine, records.fan_out.windows),
            LaneDispatcher(records.jobs, _BULK, self.engine),
        )

    def create(self, url: str, *, ordered: bool = False, **fields: Any) -> Shown:
        """Create an endpoint."""
        wanted = EventFilter(**fields)
        return self.catalog.create(
            caller(), url=url, description="", wanted=wanted, ordered=ordered
        )

    def upload(self, *keys: str, **fields: Any) -> None:
        """Add files of the tenant."""
        for key in keys:
            self.records.write(Write(files=(new_file(key, **fields),)))

    def run(self) -> int:
        """Make deliveries of all events, and run the jobs that are due; return their number."""
        count = 0
        for shown in self.records.endpoints.endpoints("demo"):
            self.records.fan_out.fan_out("demo", shown.id)
        while self._turn():
            count += self.engine.run(self.runner)
        return count

    def _turn(self) -> bool:
        for dispatcher in self._dispatchers:
            dispatcher.turn()
        return bool(self.engine.turns)

    def run_without_end(self) -> None:
        """Run the handlers of jobs that are due, but die before the jobs end."""
        for dispatcher in self._dispatchers:
            dispatcher.turn()
        for turn in self.engine.turns:
            job = self.records.jobs.begin(turn)
            assert job is not None
            self.delivering.run(job, _Fence())
        self.engine.turns.clear()
        with self.records.database.transaction() as connection:
            connection.execute("UPDATE jobs SET lease_until = 1 WHERE tenant = 'demo'")

    def secrets_end(self) -> None:
        """Let a day and a second pass for the secrets that sign along."""
        for known in self.records.endpoints.endpoints("demo"):
            self.records.endpoints.change_endpoint("demo", known.id, _a_day_later)

    def make_due(self) -> None:
        """Let all jobs run now that wait for a later time."""
        with self.records.database.transaction() as connection:
            connection.execute("UPDATE jobs SET run_at = 0 WHERE tenant = 'demo'")

    def deliveries(self, endpoint: str) -> list[Delivery]:
        """Return the deliveries of an endpoint, the newest first."""
        return self.records.deliveries.deliveries("demo", endpoint, limit=100)
