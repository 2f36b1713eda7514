"""Builds the parts of the console from its settings; tests pass a connection and a clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from wharf_console.api.bulkhead import Bulkhead
from wharf_console.api.connection import Caller, Connection
from wharf_console.context import AppContext
from wharf_console.sessions.stores import open_stores
from wharf_console.settings import Settings


def app_context(
    settings: Settings,
    *,
    connect: Callable[[Caller], Connection] | None = None,
    clock: Callable[[], float] = time.time,
) -> AppContext:
    """Return the parts that the routes use."""
    bulkhead = Bulkhead()

    def to_door(caller: Caller) -> Connection:
        return Connection(settings.door, caller, bulkhead)

    stores = open_stores(
        settings.console_sessions,
        settings.folder,
        idle_seconds=settings.console_session_seconds,
        is_https=settings.is_https,
    )
    return AppContext(settings, stores, connect or to_door, clock, bulkhead)
