"""Tests that each listener gets each event once and in order, with slow readers and outages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicekit.database import DatabaseUnavailable
from tests.servers.upload import new_file
from wharf_upload.domain.events import Event
from wharf_upload.http.event_cursors import Cursor
from wharf_upload.live.feed import TenantFeed
from wharf_upload.live.messages import EventMessage

KEPT = 20


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the feed's pauses to at most 0.1 s, because nothing in these tests is slow."""
    monkeypatch.setattr("wharf_upload.live.feed._AGAIN_SECONDS", 0)
    monkeypatch.setattr("wharf_upload.live.feed._PATIENCE_SECONDS", 0.1)


def event(seq: int) -> Event:
    """Return an event of a file."""
    return Event(seq=seq, kind="file.created", at=1, file=new_file("a"))


class Table:
    """The events of a tenant; reading them fails while `is_away` is set."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.is_away = False

    async def read(self, after: int, limit: int) -> list[Event]:
        await asyncio.sleep(0)
        if self.is_away:
            raise DatabaseUnavailable("gone")
        return [event(seq) for seq in self.numbers if seq > after][:limit]


class Reader:
    """A listener that reads while `reads` is set, and receives the events that `likes` selects."""

    def __init__(self, position: int = 0, likes: Callable[[int], bool] = lambda _: True) -> None:
        self.position, self._likes = position, likes
        self.level = self.closed = self.is_late = self.resync_first = False
        self.heard: list[int] = []
        self.resyncs: list[int] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.feed: TenantFeed | None = None
        self.task: asyncio.Task[None] | None = None

    def told(self, event: Event) -> Event | None:
        return event if self._likes(event.seq) else None

    async def send(self, message: EventMessage) -> None:
        await self.reads.wait()
        self.heard.append(message.event.seq)

    async def resync(self, after: Cursor) -> None:
        self.resyncs.append(int(after))

    def wake(self) -> None:
        if self.feed is not None and (self.task is None or self.task.done()):
            self.task = asyncio.create_task(self.feed.deliver(self))


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test in a new event loop, and cancel the tasks that are left."""
    asyncio.run(asyncio.wait_for(test, 30))


async def until(holds: Callable[[], bool]) -> None:
    """Yield to the other tasks until `holds()` is true."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 -- what it waits for is any state of several parts
            await asyncio.sleep(0)


_Reader = TypeVar("_Reader", bound=Reader)


class Scene:
    """A table, a feed that reads the table when it is woken, and the feed's listeners."""

    def __init__(self, position: int = 0) -> None:
        self.table = Table()
        self.feed = TenantFeed(self.table.read, int, position, most_kept=KEPT, look_seconds=3600)
        self.following = asyncio.create_task(self.feed.follow())

    def happen(self, count: int = 1) -> None:
        """Add events whose numbers have gaps, because real numbers come from a clock."""
        for _ in range(count):
            self.table.numbers.append((self.table.numbers or [0])[-1] + 3)
        self.feed.wake()

    def join(self, reader: _Reader) -> _Reader:
        """Add a listener to the feed."""
        reader.feed = self.feed
        self.feed.listeners.add(reader)
        reader.wake()
        return reader


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["happen", "join", "away"]), st.integers(1, 30)), max_size=30
    ),
    start=st.integers(0, 60),
)
@settings(max_examples=60)
def test_once_and_in_order(steps: list[tuple[str, int]], start: int) -> None:
    """A reader receives each event after its position, in order, whenever it joins."""

    async def scene() -> None:
        given = Scene()
        readers = [given.join(Reader(start))]
        for step, size in steps:
            if step == "happen":
                given.happen(size)
            elif step == "join":
                readers.append(given.join(Reader(start)))
            else:
                given.table.is_away = not given.table.is_away
            for _ in range(size):
                await asyncio.sleep(0)
        given.table.is_away = False
        given.feed.wake()
        expected = [seq for seq in given.table.numbers if seq > start]
        await until(lambda: all(reader.heard == expected for reader in readers))
        assert not any(reader.resyncs for reader in readers)

    run(scene())


def test_a_slow_reader_is_told_where_to_read() -> None:
    """A reader with too many waiting events gets a resync with the position to read from."""

    async def scene() -> None:
        given = Scene()
        slow, quick = given.join(Reader()), given.join(Reader())
        given.happen(1)
        await until(lambda: slow.heard == quick.heard == [3])
        slow.reads.clear()
        given.happen(5 * KEPT)
        await until(lambda: len(quick.heard) == 1 + 5 * KEPT)
        assert len(given.feed._kept) <= KEPT
        slow.reads.set()
        await until(lambda: bool(slow.resyncs))
        assert slow.resyncs == [slow.heard[-1]]
        before = len(slow.heard)
        given.happen(2)
        await until(lambda: len(slow.heard) == before + 2)
        assert slow.heard[-2:] == given.table.numbers[-2:]
        assert not quick.resyncs

    run(scene())


def test_nothing_is_kept_that_all_have_had() -> None:
    """The feed drops events that all listeners have received."""

    async def scene() -> None:
        given = Scene()
        reader = given.join(Reader())
        given.happen(3)
        await until(lambda: len(reader.heard) == 3)
        given.happen(1)
        await until(lambda: len(reader.heard) == 4)
        assert len(given.feed._kept) <= 1

    run(scene())


def test_from_long_ago() -> None:
    """A reader with an old position gets all later events from the database, and no resync."""

    async def scene() -> None:
        given = Scene(position=3 * 1000)
        given.happen(1000)
        reader = given.join(Reader(3))
        await until(lambda: len(reader.heard) == 999)
        given.happen(1)
        await until(lambda: reader.heard == given.table.numbers[1:])
        assert not reader.resyncs

    run(scene())


def test_who_hears_little_is_not_slow() -> None:
    """A listener that few events concern is not treated as slow."""

    async def scene() -> None:
        given = Scene()
        deaf, quick = given.join(Reader(likes=lambda seq: seq == 3 * 500)), given.join(Reader())
        for _ in range(50):
            given.happen(10)
            count = len(given.table.numbers)
            await until(lambda wanted=count: len(quick.heard) == wanted)  # type: ignore[misc]
        await until(lambda: deaf.heard == [3 * 500])
        assert not deaf.resyncs

    run(scene())


def test_a_position_of_another_database() -> None:
    """A listener whose `resync_first` is set gets a resync with its position."""

    async def scene() -> None:
        given = Scene(position=30)
        reader = Reader(30)
        reader.resync_first = True
        given.join(reader)
        await until(lambda: reader.resyncs == [30])

    run(scene())


def test_the_database_is_away() -> None:
    """After an outage of the database, the feed continues at its position."""

    async def scene() -> None:
        given = Scene()
        reader = given.join(Reader())
        given.table.is_away = True
        given.happen(3)
        for _ in range(50):
            await asyncio.sleep(0)
        assert reader.heard == []
        given.table.is_away = False
        given.feed.wake()
        await until(lambda: reader.heard == given.table.numbers)

    run(scene())


def test_a_closed_listener_hears_no_more() -> None:
    """A listener that was closed receives at most the event that was being sent to it."""

    async def scene() -> None:
        given = Scene()
        reader = given.join(Reader())
        reader.reads.clear()
        given.happen(5)
        await until(lambda: given.feed.position == 15)
        reader.closed = True
        reader.reads.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(reader.heard) <= 1

    run(scene())


class Moved(Reader):
    """A listener that receives every event as an event of one kind."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind
        self.messages: list[EventMessage] = []

    def told(self, event: Event) -> Event | None:
        return msgspec.structs.replace(event, kind=self._kind)

    async def send(self, message: EventMessage) -> None:
        self.messages.append(message)


def test_other_forms_are_encoded_once() -> None:
    """All listeners that get the same form of an event share one encoded message."""

    async def scene() -> None:
        given = Scene()
        readers = [given.join(Moved(kind)) for kind in ("file.moved", "file.moved", "file.deleted")]
        given.happen(2)
        await until(lambda: all(len(reader.messages) == 2 for reader in readers))
        first, second, third = (reader.messages for reader in readers)
        assert all(one is other for one, other in zip(first, second, strict=True))
        assert [one.event.kind for one in first] == ["file.moved", "file.moved"]
        assert [one.event.kind for one in third] == ["file.deleted", "file.deleted"]
        assert [one.event.seq for one in third] == given.table.numbers
        assert '"kind":"file.deleted"' in third[0].json

    run(scene())
