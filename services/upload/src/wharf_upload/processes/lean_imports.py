"""Keeps packages that happen to be installed out of the live channel's memory.

python-socketio imports what its clients and its managers of other queues need, if it is there: of
25 MB of it the server uses nothing (ADR 50).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

UNUSED = ("aiohttp", "kombu", "redis", "requests", "simple_websocket", "valkey", "websocket")


@contextmanager
def without_unused() -> Iterator[None]:
    """Let imports of these packages fail, as where they are not installed."""
    hidden = [name for name in UNUSED if name not in sys.modules]
    for name in hidden:
        # As the import system has it; its type does not say so.
        sys.modules[name] = cast("ModuleType", None)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
