"""The transports below Socket.IO and SSE; a transport is closed if its client does not read."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from wharf_upload.live.answers import Message, Send

log = logging.getLogger(__name__)
STUCK_SECONDS = 30.0


class Pipe:
    """The `send` function of one connection.

    `waits_since` is the time at which the present call of `send` began to wait for the client, or
    `None` if there is no such call.
    """

    __slots__ = ("_clock", "_send", "waits_since")

    def __init__(self, send: Send, clock: Callable[[], float]) -> None:
        self._send, self._clock = send, clock
        self.waits_since: float | None = None

    async def send(self, message: Message) -> None:
        """Send a message; wait while the client does not read."""
        self.waits_since = self._clock()
        try:
            await self._send(message)
        finally:
            self.waits_since = None

    def cut(self) -> None:
        """Close the connection and discard the bytes that the client has not read."""
        # ASGI gives no access to the transport, but uvicorn's `send` is a method of the object that
        # owns the transport.
        transport: Any = getattr(getattr(self._send, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()


class Pipes:
    """The pipes of all connections of the process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pipes: set[Pipe] = set()

    def open(self, send: Send) -> Pipe:
        """Return a new pipe; the caller must `close` it."""
        pipe = Pipe(send, self._clock)
        self._pipes.add(pipe)
        return pipe

    def close(self, pipe: Pipe) -> None:
        """Remove a pipe after its connection has ended."""
        self._pipes.discard(pipe)

    def cut_stuck(self) -> None:
        """Close the connections whose call of `send` has waited longer than `STUCK_SECONDS`."""
        before = self._clock() - STUCK_SECONDS
        for pipe in list(self._pipes):
            if pipe.waits_since is not None and pipe.waits_since < before:
                log.info("the connection of a client that does not read is closed")
                pipe.cut()
