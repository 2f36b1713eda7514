"""The parts of the console; `bootstrap.py` builds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from wharf_console.api.bulkhead import Bulkhead
from wharf_console.api.connection import Caller, Connection
from wharf_console.sessions.reaches import KnownReaches
from wharf_console.sessions.stores import SessionStores
from wharf_console.settings import Settings


@dataclass(frozen=True)
class AppContext:
    """All parts of the console; `connect` makes the connection for one request of a browser."""

    settings: Settings
    stores: SessionStores
    connect: Callable[[Caller], Connection]
    clock: Callable[[], float]
    bulkhead: Bulkhead = field(default_factory=Bulkhead)
    reaches: KnownReaches = field(default_factory=KnownReaches)
