"""`GET /v1/events` as a stream of server-sent events (the HTML standard, section 9.2)."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from urllib.parse import parse_qsl

from servicekit import access
from servicekit.problems import MALFORMED, METHOD, ProblemError
from servicekit.tokens import Principal
from wharf_upload.http.event_cursors import Cursor
from wharf_upload.live import messages, positions
from wharf_upload.live.answers import Fields, Receive, Scope, Send, answer, field, refuse
from wharf_upload.live.hub import Hub
from wharf_upload.live.listener import Connection
from wharf_upload.live.messages import EventMessage
from wharf_upload.live.origins import OriginCheck
from wharf_upload.live.positions import Position
from wharf_upload.live.threads import Threads
from wharf_upload.problems import NOT_ACCEPTABLE

PATH, MEDIA_TYPE = "/v1/events", "text/event-stream"
PING_SECONDS = 20.0
_RETRY_MILLISECONDS = 3000
# Events are collected up to this size before they are written.
_TOGETHER_BYTES = 32 * 1024
# Above this number of unsent messages the client gets no progress messages.
_MOST_WAITING = 100
_METHODS = b"GET, OPTIONS"
_STREAM: Fields = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class SseConnection(Connection):
    """An SSE stream; the task that calls `run` writes it."""

    def __init__(self, principal: Principal, send: Send) -> None:
        super().__init__(principal)
        self._send, self._written = send, bytearray()
        self._said: deque[bytes] = deque()
        self._is_wanted = asyncio.Event()

    @property
    def transport(self) -> str:
        return "sse"

    @property
    def behind(self) -> bool:
        return len(self._said) > _MOST_WAITING

    async def send(self, message: EventMessage) -> None:
        self._written += message.frame
        if len(self._written) >= _TOGETHER_BYTES:
            await self._write()

    async def say(self, name: str, json: str) -> None:
        self._said.append(messages.frame(name, json))
        self.wake()

    def tell_progress(self, json: str) -> None:
        if not self.closed:
            self._said.append(messages.frame(messages.PROGRESS, json))
            self.wake()

    async def bye(self, document: object, *, come_again: bool) -> None:  # noqa: ARG002 -- the client decides
        await self.say(messages.BYE, messages.encoded(document))
        self.end()

    async def resync(self, after: Cursor) -> None:
        self._written += messages.frame(messages.RESYNC, messages.encoded({"after": after}))

    def wake(self) -> None:
        self._is_wanted.set()

    def end(self) -> None:
        """Mark the stream as closed; `run` writes the queued messages and returns."""
        self.closed = True
        self.wake()

    async def run(self) -> None:
        """Write events, messages and pings until the stream is closed."""
        self._written += f"retry: {_RETRY_MILLISECONDS}\n\n".encode()
        while True:
            self._is_wanted.clear()
            if self.feed is not None:
                await self.feed.deliver(self)
            while self._said:
                self._written += self._said.popleft()
            await self._write()
            if self.closed and not self._said:
                return
            if not self._is_wanted.is_set():
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._is_wanted.wait()
        except TimeoutError:
            self._written += b": ping\n\n"

    async def _write(self) -> None:
        body, self._written = bytes(self._written), bytearray()
        if body:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})


class EventStreams:
    """The route of the event stream."""

    def __init__(self, hub: Hub, origins: OriginCheck, threads: Threads) -> None:
        """Create the route; `threads` run database queries."""
        self._hub, self._origins, self._threads = hub, origins, threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request for the stream."""
        origin, host = field(scope, b"origin"), field(scope, b"host")
        fields = [(b"vary", b"Origin, Accept")]
        try:
            if await self._threads.run(self._origins.allows, origin, host, None):
                fields.append((b"access-control-allow-origin", origin.encode("latin-1")))
            if scope["method"] == "OPTIONS":
                await answer(send, 204, [*fields, *_PREFLIGHT], b"")
                return
            principal, after = await self._admit(scope, origin, host)
            connection = SseConnection(principal, send)
            await self._hub.join(connection, after)
        except ProblemError as error:
            await refuse(scope, send, error, fields)
            return
        try:
            await self._stream(connection, receive, send, fields)
        finally:
            self._hub.leave(connection)

    async def _admit(
        self, scope: Scope, origin: str, host: str
    ) -> tuple[Principal, Position | None]:
        """Return the principal and the position of a request; raise a problem to refuse it."""
        if scope["method"] != "GET":
            raise METHOD(
                "The event stream supports only GET.", headers=(("Allow", _METHODS.decode()),)
            )
        if not _takes_stream(field(scope, b"accept")):
            raise NOT_ACCEPTABLE(f"This address serves only {MEDIA_TYPE}.")
        query = scope["query_string"].decode("latin-1")
        token = access.bearer(
            {"HTTP_AUTHORIZATION": field(scope, b"authorization"), "QUERY_STRING": query}
        )
        principal = await self._hub.accept(token)
        await self._threads.run(self._origins.require, origin, host, principal.tenant)
        return principal, _position(query, field(scope, b"last-event-id"))

    async def _stream(
        self, connection: SseConnection, receive: Receive, send: Send, fields: Fields
    ) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [*_STREAM, *fields]})

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            connection.end()

        watching = asyncio.create_task(watch())
        try:
            await connection.run()
            await send({"type": "http.response.body", "body": b""})
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


_PREFLIGHT: Fields = [
    (b"access-control-allow-methods", b"GET"),
    (b"access-control-allow-headers", b"Authorization, Last-Event-ID, Cache-Control"),
    (b"access-control-max-age", b"600"),
]


def _takes_stream(accept: str) -> bool:
    """Tell whether an `Accept` field allows the stream; an absent field and `*/*` allow it."""
    ranges = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return not accept or not ranges.isdisjoint((MEDIA_TYPE, "text/*", "*/*"))


def _position(query: str, last_event_id: str) -> Position | None:
    """Return the client's position.

    `Last-Event-ID` takes precedence over `after` in the address, because it is newer.
    """
    after: str | None = None
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name != "after" or after is not None:
            raise MALFORMED("The stream accepts one parameter, `after`.")
        after = value
    asked = positions.from_text(after, "after")
    had = positions.from_text(last_event_id, "Last-Event-ID")
    return asked if had is None else had
