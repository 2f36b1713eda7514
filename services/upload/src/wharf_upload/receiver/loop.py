"""The loop: one thread that moves bodies from sockets into files with splice(2)."""

from __future__ import annotations

import fcntl
import logging
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from wharf_upload.exchange import Reply
from wharf_upload.receiver import packets
from wharf_upload.receiver.listening import listener
from wharf_upload.stores.local import EXHAUSTED, translated

log = logging.getLogger(__name__)

_PIPE_BYTES = 1 << 20
# After so many bytes the other connections have their turn.
_TURN_BYTES = 4 << 20
# How long the rest of a refused body is thrown away, so that nginx reads the answer first.
_DRAIN_SECONDS = 30.0
_PACKET_SECONDS = 10.0
# How long a process that leaves waits until nginx has read an answer in mid-body, at most.
_READ_SECONDS = 10.0
_TICK_SECONDS = 1.0
# A cancelled stream ends when nothing came for so long, and in any case after so long.
_QUIET_SECONDS, _CANCEL_SECONDS = 0.2, 3.0
_THREADS = 8
# An address of the gateway's that ends the client's connection without an answer.
HANG_UP = Reply(204, [("X-Accel-Redirect", "/_hang_up")])
_SPLICE_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


@dataclass(eq=False)
class Stream:
    """Where the body of a request goes.

    `descriptor` is written from `offset` on; at most `length` bytes are taken. `check` is called
    once, in another thread, when `check_at` bytes are there (None: never); what it raises ends the
    stream. `finish` is called in another thread when no more bytes will come: with an error of the
    disk or of `check`, or none. Whether the client is still there is told by `whole`.
    """

    descriptor: int
    offset: int
    length: int
    finish: Callable[[Stream, Exception | None], Reply]
    check: Callable[[], None] | None = None
    check_at: int | None = None
    received: int = 0
    # A newer request has taken its place: what is on its way is still taken, then it ends.
    cancelled: bool = False

    @property
    def whole(self) -> bool:
        """Whether all of the body has come."""
        return self.received == self.length


class Handler(Protocol):
    """What a request means; called in a thread, never raises."""

    def __call__(self, environ: dict[str, Any]) -> Reply | Stream:
        """An answer at once, or where the body goes."""


@dataclass(eq=False)
class _Connection:
    socket: socket.socket
    deadline: float
    packet: bytearray = field(default_factory=bytearray)
    wanted: int = packets.HEADER_BYTES
    stream: Stream | None = None
    checking: bool = False
    error: Exception | None = None
    draining: bool = False
    finishing: bool = False
    # Instead of the answer: the client's connection ends.
    hang_up: bool = False
    # When a cancelled stream has been silent for long enough.
    quiet_at: float = 0.0


class Loop:
    """Serves one unix socket until `stop`."""

    def __init__(self, address: Path, handler: Handler) -> None:
        self._address, self._handler = address, handler
        self._selector = selectors.DefaultSelector()
        # Apart: whoever waits for a lease needs that its holder can end.
        self._beginnings = ThreadPoolExecutor(_THREADS, "receiver-begin")
        self._ends = ThreadPoolExecutor(_THREADS, "receiver-end")
        self._done: deque[Callable[[], None]] = deque()
        # Sockets: one that is closed stays so, while a descriptor's number comes to be others'.
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._connections: set[_Connection] = set()
        self._streams: dict[Stream, _Connection] = {}
        self._ending: set[_Connection] = set()
        self._pipe = _new_pipe()
        self._stopping = False
        # Once nobody new is taken: when what still streams is hung up.
        self._hang_up_at: float | None = None
        self.received_bytes = 0

    @property
    def streams(self) -> int:
        """How many bodies are coming in."""
        return len(self._streams)

    def run(self) -> None:
        """Works until the process ends, `stop` was called, or all is done after `drain`."""
        server = listener(self._address)
        self._selector.register(server, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._woken)
        next_tick = time.monotonic() + _TICK_SECONDS
        while not self._stopping:
            for key, _ in self._selector.select(_QUIET_SECONDS if self._ending else _TICK_SECONDS):
                if isinstance(key.data, _Connection):
                    self._readable(key.data)
                else:
                    key.data(key.fileobj)
            if self._ending:
                self._end_cancelled()
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + _TICK_SECONDS
                self._close_late_ones()
                if self._hang_up_at is None:
                    with suppress(KeyError):  # it is there already
                        self._selector.register(server, selectors.EVENT_READ, self._accept)
            if self._hang_up_at is not None:
                self._leave(server)
        server.close()
        self._beginnings.shutdown()
        self._ends.shutdown()
        for connection in list(self._connections):
            self._close(connection)
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()
        for descriptor in self._pipe:
            os.close(descriptor)

    def stop(self) -> None:
        """Ends `run`; callable from any thread."""
        self._call(lambda: setattr(self, "_stopping", True))

    def drain(self, seconds: float) -> None:
        """Takes nobody new, and ends `run` when all have their answers; from any thread.

        Streams that go on for longer than so many seconds are hung up: their clients see the
        connection end without an answer, and ask for the offset as after any other break.
        """
        hang_up_at = time.monotonic() + seconds
        self._call(lambda: setattr(self, "_hang_up_at", self._hang_up_at or hang_up_at))

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
        self._call(lambda: self._cancel(stream))

    # ---- in the loop's thread ----

    def _leave(self, server: socket.socket) -> None:
        # Who waits in the socket waits for the next process, which has it as well.
        with suppress(KeyError):
            self._selector.unregister(server)
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
            not one.draining or now < one.deadline - _DRAIN_SECONDS + _READ_SECONDS
            for one in self._connections
        )

    def _call(self, what: Callable[[], None]) -> None:
        self._done.append(what)
        with suppress(OSError):  # full: it wakes anyway; closed: nobody is there to be woken
            self._wake_write.send(b"!")

    def _woken(self, _: object) -> None:
        with suppress(BlockingIOError):
            self._wake_read.recv(4096)
        while self._done:
            self._done.popleft()()

    def _accept(self, server: Any) -> None:
        if self._hang_up_at is not None:
            return
        with suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                try:
                    accepted, _ = server.accept()
                except OSError as error:
                    if error.errno not in EXHAUSTED:
                        raise
                    # Who waits stays in the socket until the next tick; asking at once again would
                    # keep the loop from the streams whose end gives descriptors back.
                    self._selector.unregister(server)
                    log.warning("no connection is accepted for now: %s", error.strerror)
                    return
                accepted.setblocking(False)
                connection = _Connection(accepted, time.monotonic() + _PACKET_SECONDS)
                self._connections.add(connection)
                self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _readable(self, connection: _Connection) -> None:
        if connection.finishing and not connection.draining:
            return  # ended by another event of the same moment
        if connection.draining:
            self._drain(connection)
        elif connection.stream is not None:
            self._receive(connection, connection.stream)
        else:
            self._read_packet(connection)

    def _read_packet(self, connection: _Connection) -> None:
        try:
            block = connection.socket.recv(connection.wanted - len(connection.packet))
        except BlockingIOError:
            return
        except OSError:
            block = b""
        if not block:
            self._close(connection)
            return
        connection.packet += block
        if len(connection.packet) < connection.wanted:
            return
        try:
            if connection.wanted == packets.HEADER_BYTES:
                connection.wanted += packets.size_of(bytes(connection.packet))
                return
            environ = packets.environ_of(bytes(connection.packet[packets.HEADER_BYTES :]))
        except packets.MalformedPacket as error:
            log.warning("a request cannot be read: %s", error)
            self._close(connection)
            return
        self._rest(connection)
        self._beginnings.submit(self._handle, connection, environ)

    def _handle(self, connection: _Connection, environ: dict[str, Any]) -> None:
        """In a thread."""
        try:
            found = self._handler(environ)
        except Exception:
            log.exception("a request was given up")
            self._call(lambda: self._close(connection))
            return
        if isinstance(found, Stream):
            self._call(lambda: self._begin(connection, found))
        else:
            self._call(lambda: self._reply(connection, found))

    def _begin(self, connection: _Connection, stream: Stream) -> None:
        connection.stream = stream
        self._streams[stream] = connection
        if stream.whole:
            self._finish(connection, stream, None)
            return
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        if stream.cancelled:
            self._cancel(stream)

    def _receive(self, connection: _Connection, stream: Stream) -> None:
        end = min(stream.length, stream.received + _TURN_BYTES)
        connection.quiet_at = time.monotonic() + _QUIET_SECONDS
        try:
            while stream.received < end:
                try:
                    count = self._splice(connection.socket, stream, end - stream.received)
                except BlockingIOError:
                    break
                if not count:
                    # The client is gone; what has come stays.
                    self._finish(connection, stream, None)
                    return
        except OSError as error:
            # What is left in the pipe belongs nowhere any more. A new pipe might not be had.
            with suppress(BlockingIOError):
                while os.read(self._pipe[0], _PIPE_BYTES):
                    pass
            self._finish(connection, stream, translated(error))
            return
        self._check(connection, stream)
        if stream.whole:
            self._finish(connection, stream, None)

    def _splice(self, source: socket.socket, stream: Stream, most: int) -> int:
        read_end, write_end = self._pipe
        try:
            count = os.splice(
                source.fileno(), write_end, min(most, _PIPE_BYTES), flags=_SPLICE_FLAGS
            )
        except ConnectionError:
            return 0
        left = count
        while left:
            moved = os.splice(
                read_end, stream.descriptor, left, offset_dst=stream.offset + stream.received
            )
            left -= moved
            stream.received += moved
            self.received_bytes += moved
        return count

    def _check(self, connection: _Connection, stream: Stream) -> None:
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
            self._call(lambda: self._checked(connection, stream, found))

        self._ends.submit(run)

    def _checked(self, connection: _Connection, stream: Stream, error: Exception | None) -> None:
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

    def _finish(self, connection: _Connection, stream: Stream, error: Exception | None) -> None:
        self._rest(connection)
        connection.finishing = True
        connection.error = connection.error or error
        if not connection.checking:
            self._submit_finish(connection, stream)

    def _submit_finish(self, connection: _Connection, stream: Stream) -> None:
        del self._streams[stream]

        def run() -> None:
            try:
                reply = stream.finish(stream, connection.error)
            except Exception:
                log.exception("a request was given up")
                self._call(lambda: self._close(connection))
                return
            self._call(lambda: self._reply(connection, reply, all_read=stream.whole))

        self._ends.submit(run)

    def _reply(self, connection: _Connection, reply: Reply, *, all_read: bool = False) -> None:
        connection.stream = None
        if connection.hang_up and not all_read:
            reply = HANG_UP
        try:
            connection.socket.sendall(packets.response_of(reply))
        except OSError:
            self._close(connection)  # nobody is there any more
            return
        if all_read:
            self._close(connection)
            return
        # Closed at once, nginx would report the rest of the body that it cannot send as a 502.
        connection.draining = True
        connection.deadline = time.monotonic() + _DRAIN_SECONDS
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def _drain(self, connection: _Connection) -> None:
        try:
            block = connection.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            block = b""
        if not block:
            self._close(connection)

    def _rest(self, connection: _Connection) -> None:
        """Another thread is at work for it; nothing is read meanwhile."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)

    def _close(self, connection: _Connection) -> None:
        self._rest(connection)
        self._connections.discard(connection)
        connection.socket.close()

    def _close_late_ones(self) -> None:
        now = time.monotonic()
        for connection in list(self._connections):
            waiting = connection.draining or len(connection.packet) < connection.wanted
            if waiting and now > connection.deadline:
                self._close(connection)


def _new_pipe() -> tuple[int, int]:
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    # As much in one go as the kernel allows; the usual 64 KiB would double the calls.
    with suppress(OSError):
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return read_end, write_end
