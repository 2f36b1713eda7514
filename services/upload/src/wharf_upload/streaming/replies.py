"""Sends answers to the gateway, and throws away what still comes of a refused body."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable
from contextlib import suppress

from servicekit.uwsgi_protocol import response_of
from wharf_upload.http.request import Response
from wharf_upload.streaming.connection import Connection

# How long the rest of a refused body is thrown away, so that nginx reads the answer first.
DRAIN_SECONDS = 30.0
# How long an answer waits for the gateway to take it.
_ANSWER_SECONDS = 60.0


class Replies:
    """Answers on their way, in the loop's thread; `close` ends a connection."""

    def __init__(
        self, selector: selectors.BaseSelector, close: Callable[[Connection], None]
    ) -> None:
        self._selector, self._close = selector, close

    def begin(self, connection: Connection, response: Response, *, all_read: bool) -> None:
        """Send an answer; `all_read`: nothing of the body is left in the socket."""
        answer = response_of(response.status, response.headers, response.body)
        connection.answer, connection.all_read = memoryview(answer), all_read
        connection.deadline = time.monotonic() + _ANSWER_SECONDS
        self.go_on(connection)

    def go_on(self, connection: Connection) -> None:
        """Send what the socket takes."""
        try:
            sent = connection.send()
        except ConnectionError:
            self._close(connection)  # the gateway has gone
            return
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)
        if not sent:
            self._selector.register(connection.socket, selectors.EVENT_WRITE, connection)
        elif connection.all_read:
            self._close(connection)
        else:
            # Closed at once, nginx would report the rest of the body that it cannot send as a 502.
            connection.draining = True
            connection.deadline = time.monotonic() + DRAIN_SECONDS
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def drain(self, connection: Connection) -> None:
        """Throw away what has come."""
        try:
            connection.skip_body()
        except ConnectionError:
            self._close(connection)
