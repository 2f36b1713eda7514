"""The loop: one thread that moves the bodies of all streams from sockets into files."""

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

# After so many bytes the other connections have their turn.
_TURN_BYTES = 4 << 20
# How long a process that leaves waits until nginx has read an answer in mid-body, at most.
_READ_SECONDS = 10.0
_TICK_SECONDS = 1.0
# A cancelled stream ends when nothing came for so long, and in any case after so long.
_QUIET_SECONDS, _CANCEL_SECONDS = 0.2, 3.0
# How often it is told, at most, how many bytes of a stream have come.
_TELL_SECONDS = 0.1
_THREADS = 8
# An address of the gateway's that ends the client's connection without an answer.
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
        """`whose` says which tenant's turn a request takes."""
        self._address, self._handler, self._whose = address, handler, whose
        self._selector = selectors.DefaultSelector()
        self._replies = Replies(self._selector, self._close)
        # Apart: whoever waits for a lease needs that its holder can end.
        self._beginnings = FairExecutor(_THREADS, "receiver-begin")
        self._ends = FairExecutor(_THREADS, "receiver-end")
        self.long_work = long_work
        self._calls = ThreadCalls()
        self._connections: set[Connection] = set()
        self._streams: dict[Stream, Connection] = {}
        self._ending: set[Connection] = set()
        self._pipe = Pipe()
        self._stopping = False
        # Once nobody new is taken: when what still streams is hung up.
        self._hang_up_at: float | None = None

    @property
    def streams(self) -> int:
        """How many bodies are coming in."""
        return len(self._streams)

    @property
    def received_bytes(self) -> int:
        """How many bytes of bodies have come in."""
        return self._pipe.moved_bytes

    def run(self) -> None:
        """Works until the process ends, `stop` was called, or all is done after `drain`."""
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
        """Ends `run`; callable from any thread."""
        self._calls.put(lambda: setattr(self, "_stopping", True))

    def drain(self, seconds: float) -> None:
        """Takes nobody new, and ends `run` when all have their answers; from any thread.

        Streams that go on for longer than so many seconds are hung up: their clients see the
        connection end without an answer, and ask for the offset as after any other break.
        """
        hang_up_at = time.monotonic() + seconds
        self._calls.put(lambda: setattr(self, "_hang_up_at", self._hang_up_at or hang_up_at))

    @property
    def draining(self) -> bool:
        """Whether nobody new is taken any more."""
        return self._hang_up_at is not None

    def cancel(self, stream: Stream) -> None:
        """Ends a stream: a newer request has taken its place. From any thread.

        What nginx and the kernel hold of it is still taken: a client that comes back asks for the
        offset at the very moment in which the rest of its old connection arrives.
        """
        stream.cancelled = True
        self._calls.put(lambda: self._cancel(stream))

    # ---- in the loop's thread ----

    def _leave(self, acceptor: Acceptor) -> None:
        # Who waits in the socket waits for the next process, which has it as well.
        acceptor.pause()
        now = time.monotonic()
        if self._hang_up_at is not None and now >= self._hang_up_at:
            for stream, connection in list(self._streams.items()):
                if not connection.finishing:
                    self._receive(connection, stream)
                if not connection.finishing:
                    connection.hang_up = True
                    self._finish(connection, stream, None)
        # Of a refused body the rest is nobody's loss, once nginx has had time to read the answer.
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
            return  # ended by another event of the same moment
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
            log.warning("a request cannot be read: %s", error)
            self._close(connection)
            return
        if environ is not None:
            self._rest(connection)
            self._beginnings.submit(self._whose(environ), lambda: self._handle(connection, environ))

    def _handle(self, connection: Connection, environ: dict[str, Any]) -> None:
        """In a thread."""
        try:
            found = self._handler(environ)
        except Exception:
            log.exception("a request was given up")
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
        """In a thread."""
        try:
            response = run()
        except Exception:
            log.exception("a request was given up")
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
                    # The client is gone; what has come stays.
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

        # A newer request may wait for an early end, which takes no time: it is done at once.
        ended_early = not stream.whole or stream.cancelled or connection.error is not None
        executor = self.long_work if stream.takes_long and not ended_early else self._ends
        executor.submit(stream.tenant, run)

    def _reply(self, connection: Connection, response: Response, *, all_read: bool = False) -> None:
        connection.stream = None
        if connection.hang_up and not all_read:
            response = HANG_UP
        self._replies.begin(connection, response, all_read=all_read)

    def _rest(self, connection: Connection) -> None:
        """Another thread is at work for it; nothing is read meanwhile."""
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
