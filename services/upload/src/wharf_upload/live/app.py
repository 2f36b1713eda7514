"""The ASGI application of the live channel; it composes the channel's parts."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import socketio

from servicekit.problems import NOT_FOUND
from wharf_upload.access.origins import ListedOrigins, Origins
from wharf_upload.live import gate, health, socket_io, sse
from wharf_upload.live.answers import Receive, Scope, Send, refuse, refuse_websocket
from wharf_upload.live.credentials import TokenJudge
from wharf_upload.live.hub import Following, Hub
from wharf_upload.live.limits import Seats
from wharf_upload.live.origins import OriginCheck
from wharf_upload.live.pipes import Pipes
from wharf_upload.live.threads import EventReader, StoredEvents, Threads
from wharf_upload.settings import Settings

_DATABASE_THREADS, _TOKEN_THREADS, _ORIGIN_THREADS = 4, 2, 2


class LiveRecords(StoredEvents, ListedOrigins, Protocol):
    """The queries that the live channel makes; see `database.contract`."""


class Live:
    """The live channel: an ASGI application and the background checks of its connections."""

    def __init__(self, settings: Settings, records: LiveRecords, judge: TokenJudge) -> None:
        database_threads = Threads(_DATABASE_THREADS, "database")
        token_threads = Threads(_TOKEN_THREADS, "tokens")
        # A page of any origin causes this database query before it has sent a token, so the query
        # gets separate threads.
        origin_threads = Threads(_ORIGIN_THREADS, "origins")
        seats = Seats(
            per_subject=settings.live_connections_per_subject,
            per_tenant=settings.live_connections_per_tenant,
            total=settings.live_connections,
        )
        reader = EventReader(records, database_threads, settings.event_seconds)
        self.hub = Hub(Following(reader, settings.live_queued_events), judge, seats, token_threads)
        origins = OriginCheck(settings.issuer, Origins(records))
        server = _server(settings)
        self._channel = socket_io.SocketChannel(
            server,
            self.hub,
            origins,
            origin_threads,
            messages_per_second=settings.live_messages_per_second,
        )
        self._gate = gate.Gate(
            server,
            self._channel,
            self.hub,
            origins,
            seats,
            origin_threads,
            message_bytes=settings.live_message_bytes,
            messages_per_second=settings.live_messages_per_second,
        )
        self._streams = sse.EventStreams(self.hub, origins, origin_threads)
        self._pipes = Pipes()
        self.health: Application | None = None
        # These threads make the checks of `/readyz`, which also query the database.
        self.threads = Threads(1, "health")
        self._pools = (self.threads, token_threads, origin_threads, database_threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request, or serve a WebSocket."""
        path = scope["path"]
        if path in health.PATHS and self.health is not None:
            await self.health(scope, receive, send)
            return
        if scope["type"] == "websocket" and path != gate.PATH:
            await refuse_websocket(scope, receive, send, NOT_FOUND("Nothing is here."))
            return
        pipe = self._pipes.open(send)
        try:
            if path == gate.PATH:
                await self._gate(scope, receive, pipe.send)
            elif path == sse.PATH:
                await self._streams(scope, receive, pipe.send)
            else:
                await refuse(scope, send, NOT_FOUND("Nothing is here."))
        finally:
            self._pipes.close(pipe)

    async def watch(self) -> None:
        """Check the connections until this task is cancelled."""
        await self.hub.check_again_and_again(self._look)

    def _look(self) -> None:
        self._channel.forget_lost()
        self._gate.forget_unknown()
        self._pipes.cut_stuck()

    def end(self) -> None:
        """Stop the threads without waiting for queries that still run."""
        for threads in self._pools:
            threads.end()


Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def _server(settings: Settings) -> Any:
    """Return the python-socketio server, to which `socket_io` adds the handlers later."""
    return socketio.AsyncServer(
        async_mode="asgi",
        transports=["websocket"] if not settings.live_takes_polling else ["polling", "websocket"],
        cors_allowed_origins=gate.origin_is_allowed,
        cors_credentials=False,
        ping_interval=socket_io.PING_SECONDS,
        ping_timeout=socket_io.PONG_SECONDS,
        max_http_buffer_size=settings.live_message_bytes,
        http_compression=False,
        # Handle the messages of a connection one after another: a flood waits in the connection's
        # own buffer.
        async_handlers=False,
        # Without a logger each library adds its own log handler, which does not write JSON.
        logger=logging.getLogger("socketio.server"),
        engineio_logger=logging.getLogger("engineio.server"),
    )
