"""What other threads ask the loop's thread to do."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress


class ThreadCalls:
    """A queue of functions; `socket` is readable when one waits in it."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        # Sockets: one that is closed stays so, while a descriptor's number comes to be others'.
        self.socket, self._wake = socket.socketpair()
        self.socket.setblocking(False)
        self._wake.setblocking(False)

    def put(self, what: Callable[[], None]) -> None:
        """Have a function called by the loop's thread; callable from any thread."""
        self._waiting.append(what)
        with suppress(OSError):  # full: it wakes anyway; closed: nobody is there to be woken
            self._wake.send(b"!")

    def run(self) -> None:
        """Call what waits."""
        with suppress(BlockingIOError):
            self.socket.recv(4096)
        while self._waiting:
            self._waiting.popleft()()

    def close(self) -> None:
        """Take no more."""
        self.socket.close()
        self._wake.close()
