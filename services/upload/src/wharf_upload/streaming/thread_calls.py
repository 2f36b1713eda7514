"""Calls from other threads into the loop's thread."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress


class ThreadCalls:
    """A queue of functions; `socket` is readable when a function waits in the queue."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        # A pair of sockets, not descriptors: a closed socket object stays closed, while its
        # descriptor's number may be reused for another file.
        self.socket, self._wake = socket.socketpair()
        self.socket.setblocking(False)
        self._wake.setblocking(False)

    def put(self, what: Callable[[], None]) -> None:
        """Let the loop's thread call a function; any thread may call this."""
        self._waiting.append(what)
        # a full socket wakes the loop anyway; a closed one has no loop to wake
        with suppress(OSError):
            self._wake.send(b"!")

    def run(self) -> None:
        """Call the waiting functions."""
        with suppress(BlockingIOError):
            self.socket.recv(4096)
        while self._waiting:
            self._waiting.popleft()()

    def close(self) -> None:
        """Close both sockets."""
        self.socket.close()
        self._wake.close()
