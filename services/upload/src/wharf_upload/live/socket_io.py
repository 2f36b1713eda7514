"""The Socket.IO side of the live channel: connections and handlers on python-socketio."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import socketio
from engineio.exceptions import EngineIOError
from engineio.packet import Packet
from socketio.exceptions import ConnectionRefusedError as ConnectionRefused

from servicekit.access import unauthorized
from servicekit.problems import FORBIDDEN, MALFORMED, RATE_LIMITED, TOKEN_MISSING, ProblemError
from servicekit.tokens import Principal
from wharf_upload.domain import keys
from wharf_upload.live import messages, metrics, positions
from wharf_upload.live.hub import Hub
from wharf_upload.live.limits import MessageRate, Verdict
from wharf_upload.live.listener import Connection
from wharf_upload.live.messages import EventMessage
from wharf_upload.live.origins import OriginCheck
from wharf_upload.live.positions import Position
from wharf_upload.live.threads import Threads

log = logging.getLogger(__name__)
PING_SECONDS, PONG_SECONDS = 25, 20
# With this many packets in engineio's queue, further events wait in the feed.
_MOST_WAITING = 32
# Above this number the client gets no progress messages, which arrive in bursts.
_MOST_PROGRESS = 100
# Above this number the client sends messages but does not read the replies, so it is disconnected.
_MOST_ANSWERS = 256
_CLOSE_SECONDS = 5.0
_MOST_BUCKETS = 100
_SHOWN_CHARACTERS = 40


class SocketConnection(Connection):
    """A Socket.IO connection; `sid` is the namespace's session id, `eio_sid` the transport's."""

    def __init__(
        self, server: socketio.AsyncServer, sid: str, principal: Principal, rate: MessageRate
    ) -> None:
        super().__init__(principal)
        self._server, self.sid, self.rate = server, sid, rate
        self.eio_sid: str = server.manager.eio_sid_from_sid(sid, "/")
        self._pump: asyncio.Task[None] | None = None

    @property
    def _socket(self) -> Any:
        return self._server.eio.sockets.get(self.eio_sid)

    @property
    def transport(self) -> str:
        return "polling" if self._socket is None or not self._socket.upgraded else "websocket"

    @property
    def waiting(self) -> int:
        """Return the number of packets that the client has not read."""
        return 0 if self._socket is None else self._socket.queue.qsize()

    @property
    def behind(self) -> bool:
        return self.waiting > _MOST_PROGRESS

    async def send(self, message: EventMessage) -> None:
        socket = self._socket
        if socket is not None and socket.queue.qsize() >= _MOST_WAITING:
            await socket.queue.join()
        await self._put(message.packet)

    async def say(self, name: str, json: str) -> None:
        await self._put(messages.packet(name, json))

    def tell_progress(self, json: str) -> None:
        socket = self._socket
        if socket is not None and not self.closed:
            socket.queue.put_nowait(messages.packet(messages.PROGRESS, json))

    async def _put(self, packet: Packet) -> None:
        with suppress(EngineIOError):  # the connection is closed; `_disconnect` handles the end
            await self._server.eio.send_packet(self.eio_sid, packet)

    def wake(self) -> None:
        if (self._pump is None or self._pump.done()) and not self.closed:
            self._pump = asyncio.create_task(self._deliver())

    async def _deliver(self) -> None:
        # socketio sends CONNECT after its handler has returned. No event may be sent before.
        await asyncio.sleep(0)
        if self.feed is not None:
            try:
                await self.feed.deliver(self)
            except Exception:
                log.exception("the events of a connection cannot be delivered")

    def stop(self) -> None:
        """Stop the delivery of events."""
        self.closed = True
        if self._pump is not None:
            self._pump.cancel()

    def let_go(self) -> None:
        """End the client's pending poll, to which engineio would not respond."""
        socket = self._socket
        if socket is not None and not socket.upgraded:
            socket.queue.put_nowait(None)

    async def bye(self, document: object, *, come_again: bool) -> None:
        self.stop()
        await self.say(messages.BYE, messages.encoded(document))
        if not come_again:
            # After this packet the standard clients do not reconnect automatically.
            await self._server.disconnect(self.sid)
        await close(self._server, self.eio_sid)


async def close(server: socketio.AsyncServer, eio_sid: str) -> None:
    """End a transport after its queued packets are written."""
    socket = server.eio.sockets.get(eio_sid)
    if socket is None:
        return
    if socket.upgraded:
        # engineio ends its writer task with `None` too; the writer then closes the WebSocket.
        await socket.queue.put(None)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await server.eio.disconnect(eio_sid)


class SocketChannel:
    """The handlers of the Socket.IO server; `connections` is indexed by `eio_sid`."""

    def __init__(
        self,
        server: socketio.AsyncServer,
        hub: Hub,
        origins: OriginCheck,
        threads: Threads,
        messages_per_second: int,
    ) -> None:
        """Register the handlers at `server`; `threads` run database queries."""
        self._server, self._hub, self._origins, self._threads = server, hub, origins, threads
        self._per_second = messages_per_second
        self.connections: dict[str, SocketConnection] = {}
        server.on("connect", self._connect)
        server.on("disconnect", self._disconnect)
        server.on("msg", self._message)
        server.on("*", self._other)

    # ---- beginning and end ----

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: object = None) -> None:
        try:
            await self._join(sid, environ, auth)
        except ProblemError as error:
            metrics.refusals.labels(error.problem.slug).inc()
            raise ConnectionRefused(error.problem.title, messages.problem_document(error)) from None

    async def _join(self, sid: str, environ: Mapping[str, Any], auth: object) -> None:
        eio_sid = self._server.manager.eio_sid_from_sid(sid, "/")
        if eio_sid in self.connections:
            raise MALFORMED("The connection exists already.")
        token, after = _handshake(auth)
        principal = await self._hub.accept(token)
        origin, host = environ.get("HTTP_ORIGIN", ""), environ.get("HTTP_HOST", "")
        await self._threads.run(self._origins.require, origin, host, principal.tenant)
        connection = SocketConnection(self._server, sid, principal, MessageRate(self._per_second))
        await self._hub.join(connection, after)
        self.connections[eio_sid] = connection
        connection.wake()

    async def _disconnect(self, sid: str, reason: object = None) -> None:
        connection = self._of(sid)
        if connection is None:
            return
        self._forget(connection)
        if reason == self._server.reason.CLIENT_DISCONNECT:
            connection.let_go()

    def _forget(self, connection: SocketConnection) -> None:
        self.connections.pop(connection.eio_sid, None)
        connection.stop()
        self._hub.leave(connection)

    def forget_lost(self) -> None:
        """Remove connections if their transport has ended without a call of `_disconnect`."""
        for eio_sid, connection in list(self.connections.items()):
            if eio_sid not in self._server.eio.sockets:
                self._forget(connection)

    def _of(self, sid: str) -> SocketConnection | None:
        found = self.connections.get(self._server.manager.eio_sid_from_sid(sid, "/"))
        return found if found is not None and found.sid == sid else None

    # ---- messages ----

    async def _message(self, sid: str, *arguments: object) -> object:
        document = arguments[0] if arguments and isinstance(arguments[0], dict) else {}
        op = document.get("op")
        return await self._answer(sid, op if isinstance(op, str) else "", document)

    async def _other(self, event: str, sid: str, *_: object) -> object:
        return await self._answer(sid, event, None)

    async def _answer(
        self, sid: str, op: str, document: Mapping[str, object] | None
    ) -> dict[str, object] | None:
        connection = self._of(sid)
        if connection is None or connection.closed:
            return None
        verdict = connection.rate.take()
        if verdict is Verdict.CUT or connection.waiting > _MOST_ANSWERS:
            self._hub.spawn(self._hub.send_away(connection, _too_many(self._per_second)))
            return None
        try:
            if verdict is Verdict.REFUSE:
                raise _too_many(self._per_second)
            if document is None:
                raise MALFORMED("The server accepts only the event `msg`.")
            await self._do(connection, op, document)
        except ProblemError as error:
            metrics.refusals.labels(error.problem.slug).inc()
            # An escape in JSON can be half of a surrogate pair, which UTF-8 cannot encode.
            shown = op[:_SHOWN_CHARACTERS].encode(errors="replace").decode()
            result = {"ok": False, "op": shown}
            result["problem"] = messages.problem_document(error)
        else:
            result = {"ok": True, "op": op}
        await connection.say(messages.RESULT, messages.encoded(result))
        return result

    async def _do(
        self, connection: SocketConnection, op: str, document: Mapping[str, object]
    ) -> None:
        """Carry out a message's operation; raise a problem if it is refused."""
        if op == "subscribe":
            bucket = _bucket(document)
            if len(connection.buckets) >= _MOST_BUCKETS:
                raise MALFORMED(
                    f"A connection can subscribe to at most {_MOST_BUCKETS} buckets. Without "
                    "subscriptions it gets the events of all buckets."
                )
            connection.buckets |= {bucket}
        elif op == "unsubscribe":
            connection.buckets -= {_bucket(document)}
        elif op == "token":
            await self._renew(connection, document.get("token"))
        elif op != "ping":
            raise MALFORMED("`op` is one of subscribe, unsubscribe, token and ping.")

    async def _renew(self, connection: SocketConnection, token: object) -> None:
        if not isinstance(token, str):
            raise MALFORMED("`token` is not a string.")
        try:
            connection.admit(await self._hub.renew(connection.principal, token))
        except ProblemError as error:
            if error.problem is FORBIDDEN:
                self._hub.spawn(self._hub.send_away(connection, error))
            raise


def _handshake(auth: object) -> tuple[str, Position | None]:
    """Return the token and the position of a handshake.

    Raises the problem `token-missing` without a token, and `malformed-request`.
    """
    document = auth if isinstance(auth, dict) else {}
    token = document.get("token")
    if not isinstance(token, str) or not token:
        raise unauthorized(
            TOKEN_MISSING, "The handshake has no token: connect with `auth: {token}`.", ""
        )
    return token, positions.from_json(document.get("after"), "after")


def _bucket(document: Mapping[str, object]) -> str:
    name = document.get("bucket")
    try:
        return keys.bucket_name(name if isinstance(name, str) else "")
    except ValueError:
        raise MALFORMED("`bucket` is not the name of a bucket.") from None


def _too_many(per_second: int) -> ProblemError:
    return RATE_LIMITED(
        f"The connection sent more than {per_second} messages per second.",
        violated_policies=("live-messages-per-second",),
    )
