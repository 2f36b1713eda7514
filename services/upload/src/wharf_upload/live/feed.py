"""The feed of one tenant: reads its events and sends each to every listener once and in order.

The feed reads one page of events at a time. The feed keeps the events that some listener has not
received yet, up to a limit. Each listener has its own position. A listener is level after it has
received all events once. If the position of a listener is before the first kept event:

- a listener that was never level reads the missing events from the database;
- a listener that was level is too slow: the feed tells the client to read the events again.

During a burst the feed waits for listeners that are about to fall behind. The feed waits for a slow
listener only once until that listener has received all events again.
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
# The feed copies this many kept events at a time, because the kept events, the listener's token and
# the listener's state may change while the feed sends.
_TOGETHER = 64
_AGAIN_SECONDS = 1.0
# How long a feed with more events waits for its listeners, and the interval at which it checks
# them.
_PATIENCE_SECONDS, _LOOK_AGAIN_SECONDS = 1.0, 0.002

# Takes an event number and a limit; returns the events after it. Raises `DatabaseUnavailable`.
Read = Callable[[int, int], Awaitable[list[Event]]]
# Returns the cursor of an event number.
Write = Callable[[int], Cursor]


class Listener(Protocol):
    """A connection, as a feed uses it.

    `position` is the number of the last event that the listener has received or may not see.
    `level`: the listener has once received all events. `is_late`: the feed does not wait for the
    listener. `resync_first`: before the first event, the feed tells the client to read the events
    again. The reason is that the client knows event numbers that this database has never used, or
    that the worker deleted events that the client has not received.
    """

    position: int
    level: bool
    closed: bool
    is_late: bool
    resync_first: bool

    def told(self, event: Event) -> Event | None:
        """Return the event in the form that this listener may receive, or `None`."""

    async def send(self, message: EventMessage) -> None:
        """Send an event; wait while the client does not read."""

    async def resync(self, after: Cursor) -> None:
        """Tell the client to read the events after a cursor again."""

    def wake(self) -> None:
        """Start the delivery of events soon."""


class TenantFeed:
    """The events of one tenant after the number `position`, for its listeners."""

    def __init__(
        self, read: Read, write: Write, position: int, *, most_kept: int, look_seconds: float
    ) -> None:
        self._read, self._write = read, write
        self._most_kept, self._look_seconds = most_kept, look_seconds
        # A page has at most half of the limit, so a new page never displaces the previous page.
        self._page = max(1, min(PAGE, most_kept // 2))
        self.listeners: set[Listener] = set()
        # The kept events: all after `_start` up to `position`; `_numbers` has their numbers.
        self._kept: list[EventMessage] = []
        self._numbers: list[int] = []
        self._start = self.position = position
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Read new events soon."""
        self._news.set()

    async def follow(self) -> None:
        """Read new events until this task is cancelled."""
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
                # The task must continue: without it this tenant's listeners get no more events.
                log.exception("the feed of a tenant failed and continues")
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _look(self) -> bool:
        """Read a page of events and wake the listeners; return whether more events may exist."""
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
        """Wait until the next page displaces no event that a level listener has not received.

        Wait one second at most; mark the listeners that are still behind as late.
        """
        until = time.monotonic() + _PATIENCE_SECONDS
        while behind := self._behind():
            if time.monotonic() > until:
                for listener in behind:
                    listener.is_late = True
                return
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def _behind(self) -> list[Listener]:
        """Return the listeners, level and not late, that the next page would leave behind."""
        room = self._most_kept - self._page
        if len(self._numbers) <= room:
            return []
        first = self._numbers[-room - 1]
        return [
            one for one in self.listeners if one.level and not one.is_late and one.position < first
        ]

    def _forget(self) -> None:
        """Drop the events that all level listeners have received, and those above the limit."""
        needed = min((one.position for one in self.listeners if one.level), default=self.position)
        count = max(bisect_right(self._numbers, needed), len(self._numbers) - self._most_kept)
        if count:
            self._start = max(self._start, self._numbers[count - 1])
            del self._kept[:count], self._numbers[:count]

    async def deliver(self, listener: Listener) -> None:
        """Send a listener the events that it has not received, until it is level or closed."""
        while not listener.closed:
            if listener.resync_first:
                listener.resync_first = False
                await self._resync(listener, listener.position)
            if listener.position < self._start:
                if listener.level:
                    # The listener is too far behind, so it continues from the newest event.
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
        """Send a listener one page of events from the database."""
        start = self._start
        try:
            page = await self._read(listener.position, PAGE)
        except DatabaseUnavailable:
            await asyncio.sleep(_AGAIN_SECONDS)
            return
        for event in page:
            await self._hand(listener, self._message(event))
        if not page:
            # The tenant has no events in this range, or the worker deleted them because of their
            # age or number.
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
