"""Tenants whose files, clients and event numbers are equal receive no message of one another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from servicekit.tokens import Principal
from tests.servers.upload import TENANT, TWINS, new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.live.answers import Message
from wharf_upload.live.hub import Following, Hub
from wharf_upload.live.limits import Seats
from wharf_upload.live.sse import SseConnection
from wharf_upload.live.threads import EventReader, Threads
from wharf_upload.notices.messages import Changed, Progress

TENANTS = (TWINS[0], TENANT, TWINS[1])
HOUR_SECONDS = 3600
WAIT_SECONDS = 30


class Listener(SseConnection):
    """A client that keeps everything that it receives."""

    def __init__(self, tenant: str) -> None:
        super().__init__(
            Principal(tenant, "client-1", frozenset(("events:read", "files:read")), "t", 1 << 40),
            self._keep,
        )
        self.written = b""

    async def _keep(self, message: Message) -> None:
        self.written += message["body"]

    def documents(self, name: str) -> list[Any]:
        """Return the documents of all messages with this name, in order."""
        frames = [frame.split("\n") for frame in self.written.decode().split("\n\n")]
        return [
            json.loads(lines[-1].removeprefix("data: "))
            for lines in frames
            if f"event: {name}" in lines
        ]


@pytest.fixture
def threads() -> Iterator[Threads]:
    """Yield one thread that queries the database and closes its own connection."""
    threads = Threads(1, "test")
    yield threads
    threads.end()


def write(records: SqlRecords, key: str) -> None:
    """Write a file with this key for each tenant, with a size that shows the tenant's index."""
    for place, tenant in enumerate(TENANTS):
        records.write(Write(files=(new_file(key, tenant=tenant, size=100 + place),)))


def test_each_hears_its_own(records: SqlRecords, threads: Threads) -> None:
    """Listeners receive the events and the progress of their own tenant only."""
    write(records, "before")
    listeners = [Listener(tenant) for tenant in TENANTS]

    async def listen() -> None:
        following = Following(EventReader(records, threads, HOUR_SECONDS), 10, HOUR_SECONDS)
        judge: Any = None
        hub = Hub(following, judge, Seats(per_subject=1, per_tenant=1, total=3), threads)
        for listener in listeners:
            await hub.join(listener, None)
        running = [asyncio.create_task(listener.run()) for listener in listeners]
        write(records, "same")
        for place, tenant in enumerate(TENANTS):
            hub.receive(Changed(tenant))
            hub.receive(Progress(tenant, "client-1", "u", "default", "same", place, 9, 1))
        async with asyncio.timeout(WAIT_SECONDS):
            while not all(listener.documents("event") for listener in listeners):  # noqa: ASYNC110 -- as a client waits
                await asyncio.sleep(0.01)
        for listener in listeners:
            listener.end()
            hub.leave(listener)
        await asyncio.gather(*running)

    asyncio.run(listen())
    for place, listener in enumerate(listeners):
        (event,) = listener.documents("event")
        assert (event["file"]["key"], event["file"]["size"]) == ("same", 100 + place)
        (progress,) = listener.documents("progress")
        assert progress["offset"] == place
