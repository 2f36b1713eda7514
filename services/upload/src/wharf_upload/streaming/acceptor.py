"""The acceptance of the gateway's connections; it pauses while no descriptor is free."""

from __future__ import annotations

import logging
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from wharf_upload.storage.errors import EXHAUSTED
from wharf_upload.streaming.connection import Connection

log = logging.getLogger(__name__)

_PACKET_SECONDS = 10.0


class Acceptor:
    """A listening socket in a selector, which calls `accept` when connections wait."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        server: socket.socket,
        accept: Callable[[socket.socket], None],
    ) -> None:
        self._selector, self._server, self._accept = selector, server, accept

    def resume(self) -> None:
        """Start to accept connections, or continue after a pause."""
        with suppress(KeyError):  # the socket is registered already
            self._selector.register(self._server, selectors.EVENT_READ, self._accept)

    def pause(self) -> None:
        """Stop accepting connections; new ones wait in the socket."""
        with suppress(KeyError):
            self._selector.unregister(self._server)

    def connections(self) -> Iterator[Connection]:
        """Accept and yield the waiting connections."""
        with suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                try:
                    accepted, _ = self._server.accept()
                except OSError as error:
                    if error.errno not in EXHAUSTED:
                        raise
                    # Other connections wait in the socket until the next tick. An immediate retry
                    # would keep the loop from the streams that release descriptors when they end.
                    self.pause()
                    log.warning("cannot accept connections, will retry: %s", error.strerror)
                    return
                accepted.setblocking(False)
                yield Connection(accepted, time.monotonic() + _PACKET_SECONDS)
