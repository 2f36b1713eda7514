"""An import filter that keeps unused packages out of the live channel's memory.

python-socketio imports some installed packages that only its clients and its queue managers need.
These packages take 25 MB, and the server does not use them (ADR 50).
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
    """Let imports of these packages fail, as if they were not installed."""
    hidden = [name for name in UNUSED if name not in sys.modules]
    for name in hidden:
        # The import system accepts None, but the type of `sys.modules` does not.
        sys.modules[name] = cast("ModuleType", None)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
