"""The sending of responses to the gateway, and the discarding of the rest of refused bodies."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable
from contextlib import suppress

from servicekit.uwsgi_protocol import response_of
from wharf_upload.http.request import Response
from wharf_upload.streaming.connection import Connection

# How long the rest of a refused body is discarded, so that nginx reads the response first.
DRAIN_SECONDS = 30.0
# How long the gateway has to take a response.
_ANSWER_SECONDS = 60.0


class Replies:
    """Sends responses in the loop's thread; `close` ends a connection."""

    def __init__(
        self, selector: selectors.BaseSelector, close: Callable[[Connection], None]
    ) -> None:
        self._selector, self._close = selector, close

    def begin(self, connection: Connection, response: Response, *, all_read: bool) -> None:
        """Start to send a response; `all_read`: the socket contains no more bytes of the body."""
        answer = response_of(response.status, response.headers, response.body)
        connection.answer, connection.all_read = memoryview(answer), all_read
        connection.deadline = time.monotonic() + _ANSWER_SECONDS
        self.go_on(connection)

    def go_on(self, connection: Connection) -> None:
        """Send as many bytes as the socket takes."""
        try:
            sent = connection.send()
        except ConnectionError:
            self._close(connection)  # the gateway has disconnected
            return
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)
        if not sent:
            self._selector.register(connection.socket, selectors.EVENT_WRITE, connection)
        elif connection.all_read:
            self._close(connection)
        else:
            # If the connection were closed now, nginx could not send the rest of the body and would
            # report a 502.
            connection.draining = True
            connection.deadline = time.monotonic() + DRAIN_SECONDS
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def drain(self, connection: Connection) -> None:
        """Discard bytes that have arrived."""
        try:
            connection.skip_body()
        except ConnectionError:
            self._close(connection)
