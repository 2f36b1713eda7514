"""Readers get each event once and in order, from each database, while several threads write."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest

from servicekit.database import Database
from servicekit.tokens import Principal
from tests.servers.upload import new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.live.feed import TenantFeed
from wharf_upload.live.listener import Connection
from wharf_upload.live.messages import EventMessage
from wharf_upload.live.threads import EventReader, Threads

TENANTS, WRITERS, EACH = ("demo", "other"), 3, 20
KEPT = 8
SECONDS = 60


class Reader(Connection):
    """A connection that reads each event immediately."""

    def __init__(self, tenant: str, position: int) -> None:
        super().__init__(
            Principal(
                tenant=tenant,
                subject="s",
                scopes=frozenset(("events:read",)),
                token_id="t",
                expires_at=1,
            )
        )
        self.position = position
        self.heard: list[int] = []
        self._pump: asyncio.Task[None] | None = None

    @property
    def transport(self) -> str:
        return "sse"

    @property
    def behind(self) -> bool:
        return False

    async def send(self, message: EventMessage) -> None:
        await asyncio.sleep(0)
        self.heard.append(message.event.seq)

    async def say(self, name: str, json: str) -> None:
        pytest.fail(f"{name}: {json}")

    def tell_progress(self, json: str) -> None:
        pytest.fail(json)

    async def bye(self, document: object, *, come_again: bool) -> None:
        pytest.fail(str(document))

    def wake(self) -> None:
        if self.feed is not None and (self._pump is None or self._pump.done()):
            self._pump = asyncio.create_task(self.feed.deliver(self))


@pytest.fixture
def threads(database: Database) -> Iterator[Threads]:
    """Yield the threads that query the database. Each thread closes its own connection."""
    threads = Threads(2, "test")
    yield threads
    threads.end()


def write(records: SqlRecords, database: Database, tenant: str, writer: int) -> None:
    """Write the files of one writer, in its own thread."""
    for number in range(EACH):
        records.write(Write(files=(new_file(f"{writer}/{number}", tenant=tenant),)))
    if database.dialect == "sqlite":
        database.close()


def test_once_and_in_order(records: SqlRecords, database: Database, threads: Threads) -> None:
    """Each reader gets each event after its start once and in order. The start is the beginning,
    the middle or the end.
    """
    for number in range(5):
        records.write(Write(files=(new_file(f"before/{number}"),)))
    middle = records.events("demo", 0, 3)[-1].seq
    reader = EventReader(records, threads, 3600)

    for one in asyncio.run(_heard_while_written(records, database, reader, middle)):
        table = [event.seq for event in records.events(one.principal.tenant, 0, 1000)]
        assert len(table) >= WRITERS * EACH
        assert one.heard == table[len(table) - len(one.heard) :]
        if one.principal.tenant == "demo":
            assert len(one.heard) in {len(table), len(table) - 3, len(table) - 5}


async def _heard_while_written(
    records: SqlRecords, database: Database, reader: EventReader, middle: int
) -> list[Reader]:
    """Return readers of both tenants after they have received the events of several writers."""
    readers: list[Reader] = []
    following: list[asyncio.Task[None]] = []
    for tenant in TENANTS:
        newest = await reader.newest(tenant)
        feed = TenantFeed(
            partial(reader.page, tenant), int, newest, most_kept=KEPT, look_seconds=0.01
        )
        following.append(asyncio.create_task(feed.follow()))
        for position in (0, middle, newest):
            one = Reader(tenant, position)
            one.feed = feed
            feed.listeners.add(one)
            one.wake()
            readers.append(one)
    writing = (
        asyncio.to_thread(write, records, database, tenant, writer)
        for tenant in TENANTS
        for writer in range(WRITERS)
    )
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*writing)
        last = {tenant: await reader.newest(tenant) for tenant in TENANTS}
        while any(one.position < last[one.principal.tenant] for one in readers):  # noqa: ASYNC110 -- as a client waits
            await asyncio.sleep(0.01)
    for task in following:
        task.cancel()
    return readers


def test_the_newest_number(records: SqlRecords, threads: Threads) -> None:
    """The newest number is the number of the tenant's last event, or 0 if the
    tenant has no event.
    """
    reader = EventReader(records, threads, 3600)

    async def newest() -> int:
        return await reader.newest("demo")

    assert asyncio.run(newest()) == 0
    records.write(Write(files=(new_file("a"),)))
    assert asyncio.run(newest()) == records.events("demo", 0, 10)[-1].seq
