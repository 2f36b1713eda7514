"""Threads for blocking calls (database queries, key files) outside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from wharf_upload.domain.events import Event
from wharf_upload.http.event_cursors import LAST, EventCursors

T = TypeVar("T")


class Threads:
    """A small thread pool.

    Each kind of work has its own pool, so tokens are still checked while the database hangs.
    """

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, f"live-{name}")

    async def run(self, call: Callable[..., T], *arguments: object) -> T:
        """Run a call in a thread and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, *arguments)

    def end(self) -> None:
        """Stop the threads without waiting for running calls."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class StoredEvents(Protocol):
    """The queries for events; see `database.contract`."""

    def events(self, tenant: str, after: int, limit: int) -> list[Event]:
        """Return the tenant's events after a number, in order."""

    def events_before(self, tenant: str, before: int, limit: int) -> list[Event]:
        """Return the tenant's events before a number, the newest first."""

    def events_dropped(self, tenant: str) -> int:
        """Return the largest number of a deleted event, 0 if none was deleted."""

    def event_numbers_changed_at(self) -> int | None:
        """Return when cursors replaced event numbers (unix ms); `None` if no client has numbers."""


class EventReader:
    """Reads events in threads; all methods raise `DatabaseUnavailable`.

    `kept_seconds` is how long the database keeps events.
    """

    def __init__(self, stored: StoredEvents, threads: Threads, kept_seconds: int) -> None:
        self._stored, self._threads, self._kept_seconds = stored, threads, kept_seconds

    async def page(self, tenant: str, after: int, limit: int) -> list[Event]:
        """Return the tenant's events after a number, in order."""
        return await self._threads.run(self._stored.events, tenant, after, limit)

    async def newest(self, tenant: str) -> int:
        """Return the number of the tenant's newest event, 0 without events."""
        found = await self._threads.run(self._stored.events_before, tenant, LAST, 1)
        return found[0].seq if found else 0

    async def dropped(self, tenant: str) -> int:
        """Return the largest number of a deleted event, 0 if none was deleted."""
        return await self._threads.run(self._stored.events_dropped, tenant)

    async def cursors(self) -> EventCursors:
        """Return the encoder and decoder of cursors."""
        changed_at = await self._threads.run(self._stored.event_numbers_changed_at)
        return EventCursors(changed_at, self._kept_seconds)
