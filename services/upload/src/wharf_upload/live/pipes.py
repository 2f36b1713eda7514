"""The connections below Socket.IO and SSE: cuts those whose client has long not read."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from wharf_upload.live.answers import Message, Send

log = logging.getLogger(__name__)
STUCK_SECONDS = 30.0


class Pipe:
    """One connection's `send`, with the time since when it waits for the client."""

    __slots__ = ("_clock", "_send", "waits_since")

    def __init__(self, send: Send, clock: Callable[[], float]) -> None:
        self._send, self._clock = send, clock
        self.waits_since: float | None = None

    async def send(self, message: Message) -> None:
        """Send; while the client does not read, this waits."""
        self.waits_since = self._clock()
        try:
            await self._send(message)
        finally:
            self.waits_since = None

    def cut(self) -> None:
        """Close the connection and throw away what was not read."""
        # uvicorn's `send` is a method of what has the transport; ASGI has no way to it.
        transport: Any = getattr(getattr(self._send, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()


class Pipes:
    """All connections of the process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pipes: set[Pipe] = set()

    def open(self, send: Send) -> Pipe:
        """Return a connection's pipe; `close` it."""
        pipe = Pipe(send, self._clock)
        self._pipes.add(pipe)
        return pipe

    def close(self, pipe: Pipe) -> None:
        """Forget a pipe."""
        self._pipes.discard(pipe)

    def cut_stuck(self) -> None:
        """Cut those that have waited for too long."""
        before = self._clock() - STUCK_SECONDS
        for pipe in list(self._pipes):
            if pipe.waits_since is not None and pipe.waits_since < before:
                log.info("a client that does not read is cut off")
                pipe.cut()
