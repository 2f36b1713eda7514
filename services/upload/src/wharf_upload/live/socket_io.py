"""Socket.IO: python-socketio's server, on what the hub says."""

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
# So many packets may wait in engineio's own queue; events wait in the feed instead.
_MOST_WAITING = 32
# And so many before words on uploads are left out: many come in a burst.
_MOST_PROGRESS = 100
# Beyond this the client does not read at all, and goes on asking.
_MOST_ANSWERS = 256
_CLOSE_SECONDS = 5.0
_MOST_BUCKETS = 100
_SHOWN_CHARACTERS = 40


class SocketConnection(Connection):
    """A Socket.IO connection; `sid` is its session of the namespace, `eio_sid` of the transport."""

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
        """Packets that the client has not read."""
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
        with suppress(EngineIOError):  # it is closed; its end is told elsewhere
            await self._server.eio.send_packet(self.eio_sid, packet)

    def wake(self) -> None:
        if (self._pump is None or self._pump.done()) and not self.closed:
            self._pump = asyncio.create_task(self._deliver())

    async def _deliver(self) -> None:
        # socketio says `connect` after its handler: nothing may be said before.
        await asyncio.sleep(0)
        if self.feed is not None:
            try:
                await self.feed.deliver(self)
            except Exception:
                log.exception("events cannot be delivered")

    def stop(self) -> None:
        """Deliver no more."""
        self.closed = True
        if self._pump is not None:
            self._pump.cancel()

    def let_go(self) -> None:
        """Answer the request that waits for packets: engineio would let the client wait for it."""
        socket = self._socket
        if socket is not None and not socket.upgraded:
            socket.queue.put_nowait(None)

    async def bye(self, document: object, *, come_again: bool) -> None:
        self.stop()
        await self.say(messages.BYE, messages.encoded(document))
        if not come_again:
            # Stock clients do not come back by themselves after this.
            await self._server.disconnect(self.sid)
        await close(self._server, self.eio_sid)


async def close(server: socketio.AsyncServer, eio_sid: str) -> None:
    """End a transport when what was said is written."""
    socket = server.eio.sockets.get(eio_sid)
    if socket is None:
        return
    if socket.upgraded:
        # As engineio itself ends the task that writes, which then closes the WebSocket.
        await socket.queue.put(None)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await server.eio.disconnect(eio_sid)


class SocketChannel:
    """The server's handlers. `connections` are by the transport's session."""

    def __init__(
        self,
        server: socketio.AsyncServer,
        hub: Hub,
        origins: OriginCheck,
        threads: Threads,
        messages_per_second: int,
    ) -> None:
        """`threads` are for questions to the database."""
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
            raise MALFORMED("The connection is there already.")
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
        """Forget those whose transport is gone without a word to the handlers."""
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
                raise MALFORMED("Only the event `msg` is understood here.")
            await self._do(connection, op, document)
        except ProblemError as error:
            metrics.refusals.labels(error.problem.slug).inc()
            # JSON can escape what is no text, such as half of a surrogate pair.
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
        """Do what a message asks for; raises problems."""
        if op == "subscribe":
            bucket = _bucket(document)
            if len(connection.buckets) >= _MOST_BUCKETS:
                raise MALFORMED(f"More than {_MOST_BUCKETS} buckets; subscribe to none for all.")
            connection.buckets |= {bucket}
        elif op == "unsubscribe":
            connection.buckets -= {_bucket(document)}
        elif op == "token":
            await self._renew(connection, document.get("token"))
        elif op != "ping":
            raise MALFORMED("`op` is one of subscribe, unsubscribe, token and ping.")

    async def _renew(self, connection: SocketConnection, token: object) -> None:
        if not isinstance(token, str):
            raise MALFORMED("`token` is not a text.")
        try:
            connection.admit(await self._hub.renew(connection.principal, token))
        except ProblemError as error:
            if error.problem is FORBIDDEN:
                self._hub.spawn(self._hub.send_away(connection, error))
            raise


def _handshake(auth: object) -> tuple[str, Position | None]:
    """Return token and position of a handshake."""
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
        f"More than {per_second} messages a second.",
        violated_policies=("live-messages-per-second",),
    )
