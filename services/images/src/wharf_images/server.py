"""The server: one thread reads requests and responds to probes, worker threads make pictures."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from servicekit.uwsgi_protocol import MalformedPacket
from wharf_images.blobs import is_signed, tenant_of
from wharf_images.connection import Connection
from wharf_images.formats import WIDTHS
from wharf_images.maker import BUSY, Answer
from wharf_images.metrics import Metrics
from wharf_images.waiting_room import Turn, WaitingRoom

log = logging.getLogger(__name__)

_TICK_SECONDS, _DRAIN_TICK_SECONDS = 0.5, 0.05
_PACKET_SECONDS = 10.0
# How long a request may wait for a worker. Another 5 seconds are for the bytes of the file, and 15
# seconds for the child. Together this is less than the 30 seconds that nginx waits for a response.
_PATIENCE_SECONDS = 8.0
_STACK_BYTES = 512 * 1024
# The most open connections: far more than nginx opens. Further connections wait in the backlog of
# the listening sockets.
_MOST_CONNECTIONS = 512
_NOTHING_HERE = Answer(404)
Page = Callable[[Mapping[str, str]], Answer]


@dataclass(frozen=True, slots=True)
class _Request:
    connection: Connection
    location: str
    signed: str
    width: int
    began: float


class Server:
    """Serves listening sockets until it is stopped; then it completes the requests that it has.

    Attributes:
        room: the waiting room of requests.
    """

    def __init__(
        self,
        make: Callable[[str, int, str], Answer],
        pages: Mapping[str, Page],
        metrics: Metrics,
        *,
        workers: int,
        waiting: int,
    ) -> None:
        """Create the server.

        `make` returns the response for a blob's location, a width and the blob's presigned address.
        `pages` return the responses for other paths.
        """
        self._make, self._pages, self._metrics = make, pages, metrics
        self.room = WaitingRoom[_Request](waiting, workers)
        self._workers = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(workers)
        ]
        self._selector = selectors.DefaultSelector()
        self._listeners: list[socket.socket] = []
        self._connections: set[Connection] = set()
        self._stopping = False

    def run(
        self,
        listeners: Sequence[tuple[socket.socket, bool]],
        started: Callable[[], object],
        tick: Callable[[], object],
    ) -> None:
        """Serve until a signal stops the server and all requests are complete.

        Args:
            listeners: listening sockets, each with true if its protocol is HTTP.
            started: called once, when the server accepts connections and handles TERM.
            tick: called about twice a second.
        """
        woken = self._hear_signals()
        for listener, is_http in listeners:
            listener.setblocking(False)
            self._listeners.append(listener)
            self._selector.register(listener, selectors.EVENT_READ, is_http)
        threading.stack_size(_STACK_BYTES)
        for worker in self._workers:
            worker.start()
        started()
        next_tick = 0.0
        while not self._is_done():
            if time.monotonic() >= next_tick:
                tick()
                self._close_late()
                self._send_away_late()
                next_tick = time.monotonic() + _TICK_SECONDS
            for key, _ in self._selector.select(
                _DRAIN_TICK_SECONDS if self._stopping else _TICK_SECONDS
            ):
                if key.fileobj is woken:
                    woken.recv(64)
                elif isinstance(key.data, Connection):
                    self._read(key.data)
                else:
                    self._accept(key.fileobj, is_http=key.data)  # type: ignore[arg-type]
        self.room.close()

    def stop(self) -> None:
        """Accept no more connections; requests on accepted connections still get a response."""
        if not self._stopping:
            self._stopping = True
            for listener in self._listeners:
                self._selector.unregister(listener)

    def _hear_signals(self) -> socket.socket:
        """Install the signal handlers; return a socket that becomes readable on a signal."""
        woken, wakes = socket.socketpair()
        woken.setblocking(False)
        wakes.setblocking(False)
        self._wakes = wakes
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        # SIGQUIT ends the process immediately and without a core dump, as in uWSGI.
        signal.signal(signal.SIGQUIT, lambda *_: os._exit(0))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._selector.register(woken, selectors.EVENT_READ)
        return woken

    def _is_done(self) -> bool:
        return self._stopping and not self._connections and not (self.room.waiting + self.room.busy)

    def _accept(self, listener: socket.socket, *, is_http: bool) -> None:
        with suppress(OSError):
            while len(self._connections) < _MOST_CONNECTIONS:
                accepted, _ = listener.accept()
                accepted.setblocking(False)
                connection = Connection(accepted, is_http, time.monotonic() + _PACKET_SECONDS)
                self._connections.add(connection)
                self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _read(self, connection: Connection) -> None:
        try:
            variables = connection.read()
        except (OSError, MalformedPacket) as error:
            if isinstance(error, MalformedPacket):
                log.warning("a request cannot be read: %s", error)
            self._forget(connection)
            connection.socket.close()
            return
        if variables is not None:
            self._begin(connection, variables)

    def _begin(self, connection: Connection, variables: Mapping[str, str]) -> None:
        path, is_http = variables["PATH_INFO"], connection.is_http
        if path == "/picture" and not is_http:
            location, width = variables.get("WHARF_BLOB", ""), variables.get("WHARF_WIDTH", "")
            signed = variables.get("WHARF_BLOB_SIGNED", "")
            tenant = tenant_of(location)
            if tenant is not None and is_signed(signed) and width in map(str, WIDTHS):
                request = _Request(connection, location, signed, int(width), time.monotonic())
                left_out = self.room.put(tenant, request)
                # Forget the connection only after `put`: `_is_done` would miss a request that is in
                # neither place.
                self._forget(connection)
                if left_out is not None:
                    self._answer(left_out, BUSY)
                return
        self._forget(connection)
        page = self._pages.get(path)
        readable = variables["REQUEST_METHOD"] in {"GET", "HEAD"}
        connection.answer(page(variables) if page and readable else _NOTHING_HERE)

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)

    def _close_late(self) -> None:
        now = time.monotonic()
        for connection in [one for one in self._connections if one.deadline < now]:
            self._forget(connection)
            connection.socket.close()

    def _send_away_late(self) -> None:
        since = time.monotonic() - _PATIENCE_SECONDS
        for request in self.room.send_away(lambda one: one.began < since):
            self._answer(request, BUSY)

    def _work(self) -> None:
        while (turn := self.room.take()) is not None:
            try:
                self._serve(turn)
            except Exception:
                log.exception("a request failed without a response")
            finally:
                self.room.done(turn)

    def _serve(self, turn: Turn[_Request]) -> None:
        request = turn.item
        if request.connection.has_gone():
            self._answer(request, Answer(503, outcome="left"))
        else:
            self._answer(request, self._make(request.location, request.width, request.signed))

    def _answer(self, request: _Request, answer: Answer) -> None:
        # Count before the response is sent, so a client that has the response finds it counted.
        self._metrics.answered(answer.outcome, time.monotonic() - request.began)
        if answer.reason:
            self._metrics.no_preview(answer.reason)
        request.connection.answer(answer)
