"""Follows the events of one tenant, and hands each to every listener once and in order.

The feed reads a page at a time and keeps what some listener has not had yet, up to a bound. Each
listener has a position of its own. A listener below what is kept reads from the database if it has
never been level (it goes on from an old position), and is told to read anew if it has been (it is
too slow). In a burst the feed gives listeners time to read, but a slow one holds the others up only
once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from servicekit.database import DatabaseUnavailable
from wharf_upload.domain.events import Event
from wharf_upload.http.event_cursors import Cursor
from wharf_upload.live import metrics
from wharf_upload.live.messages import EventMessage

log = logging.getLogger(__name__)
PAGE = 200
# Between two that are written a listener may be sent away, or renew its token.
_TOGETHER = 64
_AGAIN_SECONDS = 1.0
# So long a feed that has more waits for listeners that read, and so often it looks at them.
_PATIENCE_SECONDS, _LOOK_AGAIN_SECONDS = 1.0, 0.002

# Reads a page of events after a number; raises `DatabaseUnavailable`.
Read = Callable[[int, int], Awaitable[list[Event]]]
# Returns the cursor of a number.
Write = Callable[[int], Cursor]


class Listener(Protocol):
    """A connection, as a feed sees it.

    `is_late`: nobody waits for it. `resync_first`: it must be told that it knows numbers that this
    database has never given out, or that events are gone that it has not had.
    """

    position: int
    level: bool
    closed: bool
    is_late: bool
    resync_first: bool

    def told(self, event: Event) -> Event | None:
        """Return an event as it hears it; `None`: not at all."""

    async def send(self, message: EventMessage) -> None:
        """Send an event; waits while the client does not read."""

    async def resync(self, after: Cursor) -> None:
        """Tell the client to read the events after a cursor anew."""

    def wake(self) -> None:
        """Deliver soon."""


class TenantFeed:
    """The events of one tenant after `position`, for those who listen."""

    def __init__(
        self, read: Read, write: Write, position: int, *, most_kept: int, look_seconds: float
    ) -> None:
        self._read, self._write = read, write
        self._most_kept, self._look_seconds = most_kept, look_seconds
        # So that a page never pushes out the one before.
        self._page = max(1, min(PAGE, most_kept // 2))
        self.listeners: set[Listener] = set()
        # What is kept: all events after `_start` up to `position`, and the numbers of these.
        self._kept: list[EventMessage] = []
        self._numbers: list[int] = []
        self._start = self.position = position
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Look for new events soon."""
        self._news.set()

    async def follow(self) -> None:
        """Read what happens, until this task is cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_seconds):
                    await self._news.wait()
            self._news.clear()
            try:
                while await self._look():
                    await self._let_read()
            except DatabaseUnavailable as error:
                metrics.database_up.set(0)
                log.warning("the events cannot be read: %s", error)
                await asyncio.sleep(_AGAIN_SECONDS)
            except Exception:
                # The task has to go on: without it this tenant would hear no more.
                log.exception("the events cannot be followed")
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _look(self) -> bool:
        """Read a page and tell the listeners; return whether there may be more."""
        page = await self._read(self.position, self._page)
        metrics.database_up.set(1)
        if page:
            self._kept += [self._message(event) for event in page]
            self._numbers += [event.seq for event in page]
            self.position = page[-1].seq
            self._forget()
            for listener in self.listeners:
                listener.wake()
        return len(page) == self._page

    async def _let_read(self) -> None:
        """Wait until the next page pushes out nothing that somebody is about to read."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while behind := self._behind():
            if time.monotonic() > until:
                for listener in behind:
                    listener.is_late = True
                return
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def _behind(self) -> list[Listener]:
        """Return whom the next page would leave behind, but for those who are late."""
        room = self._most_kept - self._page
        if len(self._numbers) <= room:
            return []
        first = self._numbers[-room - 1]
        return [
            one for one in self.listeners if one.level and not one.is_late and one.position < first
        ]

    def _forget(self) -> None:
        """Drop what all have had, and what is too much."""
        needed = min((one.position for one in self.listeners if one.level), default=self.position)
        count = max(bisect_right(self._numbers, needed), len(self._numbers) - self._most_kept)
        if count:
            self._start = max(self._start, self._numbers[count - 1])
            del self._kept[:count], self._numbers[:count]

    async def deliver(self, listener: Listener) -> None:
        """Send a listener what it has not had, until it is level or closed."""
        while not listener.closed:
            if listener.resync_first:
                listener.resync_first = False
                await self._resync(listener, listener.position)
            if listener.position < self._start:
                if listener.level:
                    # Too far behind: it goes on from now.
                    after, listener.position = listener.position, self.position
                    await self._resync(listener, after)
                else:
                    await self._catch_up(listener)
                continue
            listener.level = True
            first = bisect_right(self._numbers, listener.position)
            batch = self._kept[first : first + _TOGETHER]
            if not batch:
                listener.is_late = False
                return
            for message in batch:
                await self._hand(listener, message)
                metrics.delivered(message.event.at)

    def _message(self, event: Event) -> EventMessage:
        return EventMessage(event, self._write(event.seq))

    async def _resync(self, listener: Listener, after: int) -> None:
        metrics.resyncs.inc()
        await listener.resync(self._write(after))

    async def _catch_up(self, listener: Listener) -> None:
        """Send a page out of the database."""
        start = self._start
        try:
            page = await self._read(listener.position, PAGE)
        except DatabaseUnavailable:
            await asyncio.sleep(_AGAIN_SECONDS)
            return
        for event in page:
            await self._hand(listener, self._message(event))
        if not page:
            # Nothing of this tenant was between; or the worker has dropped it, being old.
            listener.position = max(listener.position, start)

    @staticmethod
    async def _hand(listener: Listener, message: EventMessage) -> None:
        if listener.closed:
            return
        heard = listener.told(message.event)
        if heard is not None:
            await listener.send(message.as_heard(heard))
            metrics.events_sent.inc()
        listener.position = message.event.seq
