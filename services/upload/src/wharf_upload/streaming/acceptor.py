"""Takes the gateway's connections; pauses while the process has no descriptor for another one."""

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
        """Listen, after a pause too."""
        with suppress(KeyError):  # it is there already
            self._selector.register(self._server, selectors.EVENT_READ, self._accept)

    def pause(self) -> None:
        """Leave waiting connections in the socket."""
        with suppress(KeyError):
            self._selector.unregister(self._server)

    def connections(self) -> Iterator[Connection]:
        """Yield the connections that wait."""
        with suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                try:
                    accepted, _ = self._server.accept()
                except OSError as error:
                    if error.errno not in EXHAUSTED:
                        raise
                    # Other connections stay in the socket until the next tick; asking at once again
                    # would keep the loop from the streams whose end gives descriptors back.
                    self.pause()
                    log.warning("no connection is accepted for now: %s", error.strerror)
                    return
                accepted.setblocking(False)
                yield Connection(accepted, time.monotonic() + _PACKET_SECONDS)
