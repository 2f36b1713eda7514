"""The event loop: one thread that moves the bodies of all streams from sockets into files."""

from __future__ import annotations

import logging
import selectors
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from servicekit.uwsgi_protocol import MalformedPacket
from wharf_upload.http.long_work import LongWork
from wharf_upload.http.request import Response
from wharf_upload.storage.errors import as_store_error
from wharf_upload.streaming.acceptor import Acceptor
from wharf_upload.streaming.connection import Connection, Handler, Stream
from wharf_upload.streaming.fair_executor import FairExecutor
from wharf_upload.streaming.listener import listener
from wharf_upload.streaming.pipe import Pipe
from wharf_upload.streaming.replies import DRAIN_SECONDS, Replies
from wharf_upload.streaming.thread_calls import ThreadCalls

log = logging.getLogger(__name__)

# After this many bytes of one stream, the other connections get their turn.
_TURN_BYTES = 4 << 20
# How long a process that shuts down waits for nginx to read a response in the middle of a body.
_READ_SECONDS = 10.0
_TICK_SECONDS = 1.0
# A cancelled stream ends after `_QUIET_SECONDS` without a byte, and always after `_CANCEL_SECONDS`.
_QUIET_SECONDS, _CANCEL_SECONDS = 0.2, 3.0
# The minimum time between two calls of `tell` for a stream.
_TELL_SECONDS = 0.1
_THREADS = 8
# A redirect inside nginx that closes the client's connection without a response.
HANG_UP = Response(204, [("X-Accel-Redirect", "/_hang_up")])


class StreamServer:
    """Serves one unix socket until `stop`."""

    def __init__(
        self,
        address: Path,
        handler: Handler,
        long_work: FairExecutor,
        *,
        whose: Callable[[dict[str, Any]], str] = lambda _: "",
    ) -> None:
        """Create the server; `whose` returns the tenant that must have the turn for a request."""
        self._address, self._handler, self._whose = address, handler, whose
        self._selector = selectors.DefaultSelector()
        self._replies = Replies(self._selector, self._close)
        # Two separate executors: a request that waits for a lease must not block the end of the
        # request that has the lease.
        self._beginnings = FairExecutor(_THREADS, "receiver-begin")
        self._ends = FairExecutor(_THREADS, "receiver-end")
        self.long_work = long_work
        self._calls = ThreadCalls()
        self._connections: set[Connection] = set()
        self._streams: dict[Stream, Connection] = {}
        self._ending: set[Connection] = set()
        self._pipe = Pipe()
        self._stopping = False
        # Set during a drain: the time at which the remaining streams are closed.
        self._hang_up_at: float | None = None

    @property
    def streams(self) -> int:
        """Return how many bodies are arriving."""
        return len(self._streams)

    @property
    def received_bytes(self) -> int:
        """Return how many bytes of bodies have arrived."""
        return self._pipe.moved_bytes

    def run(self) -> None:
        """Run the loop until `stop`, or until all requests have ended after `drain`."""
        server = listener(self._address)
        acceptor = Acceptor(self._selector, server, lambda _: self._accept(acceptor))
        acceptor.resume()
        self._selector.register(
            self._calls.socket, selectors.EVENT_READ, lambda _: self._calls.run()
        )
        next_tick = time.monotonic() + _TICK_SECONDS
        while not self._stopping:
            for key, _ in self._selector.select(_QUIET_SECONDS if self._ending else _TICK_SECONDS):
                if isinstance(key.data, Connection):
                    self._readable(key.data)
                else:
                    key.data(key.fileobj)
            if self._ending:
                self._end_cancelled()
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + _TICK_SECONDS
                self._close_late_ones()
                if self._hang_up_at is None:
                    acceptor.resume()
            if self._hang_up_at is not None:
                self._leave(acceptor)
        server.close()
        self._beginnings.shutdown()
        self._ends.shutdown()
        self.long_work.shutdown()
        for connection in list(self._connections):
            self._close(connection)
        self._selector.close()
        self._calls.close()
        self._pipe.close()

    def stop(self) -> None:
        """End `run`; any thread may call this."""
        self._calls.put(lambda: setattr(self, "_stopping", True))

    def drain(self, seconds: float) -> None:
        """Accept no new connection, and end `run` when all requests have ended.

        Any thread may call this. Streams that take longer than `seconds` are closed: their clients
        see the connection end without a response, and ask for the offset, as after any other
        broken connection.
        """
        hang_up_at = time.monotonic() + seconds
        self._calls.put(lambda: setattr(self, "_hang_up_at", self._hang_up_at or hang_up_at))

    @property
    def draining(self) -> bool:
        """Return whether the server no longer accepts connections."""
        return self._hang_up_at is not None

    def cancel(self, stream: Stream) -> None:
        """End a stream, because a newer request has replaced it; any thread may call this.

        The bytes in the buffers of nginx and the kernel are still written: a client that reconnects
        asks for the offset just when the rest of its old connection arrives.
        """
        stream.cancelled = True
        self._calls.put(lambda: self._cancel(stream))

    # ---- in the loop's thread ----

    def _leave(self, acceptor: Acceptor) -> None:
        # Connections that wait in the socket are left to the next process, which has the same
        # socket.
        acceptor.pause()
        now = time.monotonic()
        if self._hang_up_at is not None and now >= self._hang_up_at:
            for stream, connection in list(self._streams.items()):
                if not connection.finishing:
                    self._receive(connection, stream)
                if not connection.finishing:
                    connection.hang_up = True
                    self._finish(connection, stream, None)
        # The process need not read the rest of a refused body, once nginx has had time to read the
        # response.
        self._stopping = not any(
            not one.draining or now < one.deadline - DRAIN_SECONDS + _READ_SECONDS
            for one in self._connections
        )

    def _accept(self, acceptor: Acceptor) -> None:
        if self._hang_up_at is not None:
            return
        for connection in acceptor.connections():
            self._connections.add(connection)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def _readable(self, connection: Connection) -> None:
        if connection.answer:
            self._replies.go_on(connection)
            return
        if connection.finishing and not connection.draining:
            return  # another event of the same poll has ended the stream
        if connection.draining:
            self._replies.drain(connection)
        elif connection.stream is not None:
            self._receive(connection, connection.stream)
        else:
            self._read_request(connection)

    def _read_request(self, connection: Connection) -> None:
        try:
            environ = connection.read_request()
        except ConnectionError:
            self._close(connection)
            return
        except MalformedPacket as error:
            log.warning("cannot read a request: %s", error)
            self._close(connection)
            return
        if environ is not None:
            self._rest(connection)
            self._beginnings.submit(self._whose(environ), lambda: self._handle(connection, environ))

    def _handle(self, connection: Connection, environ: dict[str, Any]) -> None:
        """Handle a request, in a thread of `_beginnings`, and pass the result to the loop."""
        try:
            found = self._handler(environ)
        except Exception:
            log.exception("a request failed without a response")
            self._calls.put(lambda: self._close(connection))
            return
        if isinstance(found, Stream):
            self._calls.put(lambda: self._begin(connection, found))
        elif isinstance(found, LongWork):
            self.long_work.submit(found.tenant, lambda: self._answer(connection, found.run))
        else:
            self._calls.put(lambda: self._reply(connection, found))

    def _answer(
        self, connection: Connection, run: Callable[[], Response], stream: Stream | None = None
    ) -> None:
        """Compute a response, in a thread of an executor, and pass it to the loop."""
        try:
            response = run()
        except Exception:
            log.exception("a request failed without a response")
            self._calls.put(lambda: self._close(connection))
            return
        all_read = stream is not None and stream.whole
        self._calls.put(lambda: self._reply(connection, response, all_read=all_read))

    def _begin(self, connection: Connection, stream: Stream) -> None:
        connection.stream = stream
        self._streams[stream] = connection
        if stream.tell is not None:
            stream.tell_at = time.monotonic() + _TELL_SECONDS
        if stream.whole:
            self._finish(connection, stream, None)
            return
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        if stream.cancelled:
            self._cancel(stream)

    def _receive(self, connection: Connection, stream: Stream) -> None:
        end = min(stream.length, stream.received + _TURN_BYTES)
        now = time.monotonic()
        connection.quiet_at = now + _QUIET_SECONDS
        try:
            while stream.received < end:
                try:
                    count = self._pipe.move(connection.socket, stream, end - stream.received)
                except BlockingIOError:
                    break
                if not count:
                    # The client has disconnected; the bytes that have arrived stay.
                    self._finish(connection, stream, None)
                    return
        except OSError as error:
            self._pipe.empty()
            self._finish(connection, stream, as_store_error(error))
            return
        self._check(connection, stream)
        if stream.tell is not None and now >= stream.tell_at:
            stream.tell_at = now + _TELL_SECONDS
            stream.tell(stream.received)
        if stream.whole:
            self._finish(connection, stream, None)

    def _check(self, connection: Connection, stream: Stream) -> None:
        check = stream.check
        if check is None or stream.check_at is None or stream.received < stream.check_at:
            return
        stream.check = None
        connection.checking = True

        def run() -> None:
            try:
                check()
            except Exception as error:  # noqa: BLE001 -- `finish` makes the answer of it
                found: Exception | None = error
            else:
                found = None
            self._calls.put(lambda: self._checked(connection, stream, found))

        self._ends.submit(stream.tenant, run)

    def _checked(self, connection: Connection, stream: Stream, error: Exception | None) -> None:
        connection.checking = False
        connection.error = connection.error or error
        if connection.finishing:
            self._submit_finish(connection, stream)
        elif error is not None:
            self._finish(connection, stream, error)

    def _cancel(self, stream: Stream) -> None:
        connection = self._streams.get(stream)
        if connection is not None and not connection.finishing:
            now = time.monotonic()
            connection.quiet_at, connection.deadline = now + _QUIET_SECONDS, now + _CANCEL_SECONDS
            self._ending.add(connection)

    def _end_cancelled(self) -> None:
        now = time.monotonic()
        for connection in list(self._ending):
            stream = connection.stream
            if connection.finishing or stream is None:
                self._ending.discard(connection)
            elif now >= min(connection.quiet_at, connection.deadline):
                self._ending.discard(connection)
                self._finish(connection, stream, None)

    def _finish(self, connection: Connection, stream: Stream, error: Exception | None) -> None:
        self._rest(connection)
        connection.finishing = True
        connection.error = connection.error or error
        if not connection.checking:
            self._submit_finish(connection, stream)

    def _submit_finish(self, connection: Connection, stream: Stream) -> None:
        del self._streams[stream]

        def run() -> None:
            self._answer(connection, lambda: stream.finish(stream, connection.error), stream)

        # An early end takes little time, and a newer request may wait for it. So it does not queue
        # behind long work.
        ended_early = not stream.whole or stream.cancelled or connection.error is not None
        executor = self.long_work if stream.takes_long and not ended_early else self._ends
        executor.submit(stream.tenant, run)

    def _reply(self, connection: Connection, response: Response, *, all_read: bool = False) -> None:
        connection.stream = None
        if connection.hang_up and not all_read:
            response = HANG_UP
        self._replies.begin(connection, response, all_read=all_read)

    def _rest(self, connection: Connection) -> None:
        """Stop reading from a connection while another thread works for it."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)

    def _close(self, connection: Connection) -> None:
        self._rest(connection)
        self._connections.discard(connection)
        connection.socket.close()

    def _close_late_ones(self) -> None:
        now = time.monotonic()
        for connection in list(self._connections):
            if connection.has_deadline and now > connection.deadline:
                self._close(connection)
