"""The gate in front of python-socketio: checks origins, limits and the frames of clients."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import socketio

from servicekit.problems import MALFORMED, METHOD, TOO_LARGE, ProblemError
from wharf_upload.live import frames
from wharf_upload.live.answers import (
    Message,
    Receive,
    Scope,
    Send,
    field,
    refuse,
    refuse_websocket,
)
from wharf_upload.live.hub import Hub
from wharf_upload.live.limits import MessageRate, Seats, Verdict, full
from wharf_upload.live.origins import OriginCheck, refused
from wharf_upload.live.socket_io import SocketChannel, close
from wharf_upload.live.threads import Threads

log = logging.getLogger(__name__)
PATH = "/socket.io/"
# A transport is closed if the client has not joined with a token within this time.
UNKNOWN_SECONDS = 10.0
# A client sends more frames than messages: replies to pings, acknowledgements, message parts.
_FRAMES_PER_MESSAGE = 4
_ORIGIN_KEY = "wharf.origin_allowed"
_POLICY_VIOLATION, _UNREADABLE = 1008, 1007


class Gate:
    """An ASGI application that passes only valid requests and frames to python-socketio."""

    def __init__(
        self,
        server: socketio.AsyncServer,
        channel: SocketChannel,
        hub: Hub,
        origins: OriginCheck,
        seats: Seats,
        threads: Threads,
        *,
        message_bytes: int,
        messages_per_second: int,
    ) -> None:
        """Create the gate; `threads` run its database queries."""
        self._server, self._channel, self._hub, self._origins = server, channel, hub, origins
        self._seats, self._threads = seats, threads
        self._message_bytes, self._per_second = message_bytes, messages_per_second
        self._app = socketio.ASGIApp(server, socketio_path=PATH)
        self._since: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request, or serve a WebSocket."""
        is_socket = scope["type"] == "websocket"
        try:
            await self._admit(scope)
            if is_socket:
                receive = self._judged(receive, send)
            elif scope["method"] == "POST":
                receive = await self._body(scope, receive)
        except ProblemError as error:
            if is_socket:
                await refuse_websocket(scope, receive, send, error)
            else:
                await refuse(scope, send, error)
            return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        """Raise a problem for a request that the gate does not admit."""
        if scope["path"] != PATH:
            raise MALFORMED(f"The address of Socket.IO is {PATH}.")
        if scope.get("method", "GET") not in {"GET", "POST", "OPTIONS"}:
            raise METHOD(
                "Socket.IO does not use this method.", headers=(("Allow", "GET, POST, OPTIONS"),)
            )
        # Parse the query as engineio does: both treat an empty `sid` as absent.
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if "j" in query:
            raise MALFORMED("The server does not support JSONP.")
        if "sid" not in query:
            self._seats.require_room()
            if len(self._server.eio.sockets) >= self._seats.most:
                raise full()
        origin, host = field(scope, b"origin"), field(scope, b"host")
        if origin:
            if not await self._threads.run(self._origins.allows, origin, host, None):
                raise refused(origin)
            scope[_ORIGIN_KEY] = True

    async def _body(self, scope: Scope, receive: Receive) -> Receive:
        """Read and check a body of HTTP long-polling; return a `receive` that delivers it."""
        length = field(scope, b"content-length")
        if not length.isdigit() or int(length) > self._message_bytes:
            raise TOO_LARGE(
                "The body is too large, or the request has no valid Content-Length.",
                limit="live-message-bytes",
                limit_bytes=self._message_bytes,
            )
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                break
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if not frames.is_well_formed_body(body):
            raise MALFORMED("The body does not follow the Socket.IO protocol.")
        whole: Message = {"type": "http.request", "body": body, "more_body": False}
        left = [whole]

        async def again() -> Message:
            return left.pop() if left else await receive()

        return again

    def _judged(self, receive: Receive, send: Send) -> Receive:
        """Return a `receive` that closes the WebSocket for an invalid frame or too many frames."""
        rate = MessageRate(self._per_second * _FRAMES_PER_MESSAGE)

        async def judged() -> Message:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            frame = message.get("text")
            code = None
            if rate.take() is Verdict.CUT:
                code = _POLICY_VIOLATION
            elif not frames.is_well_formed(message["bytes"] if frame is None else frame):
                code = _UNREADABLE
            if code is None:
                return message
            await send({"type": "websocket.close", "code": code})
            return {"type": "websocket.disconnect", "code": code}

        return judged

    def forget_unknown(self) -> None:
        """Close transports whose clients did not join in time; the caller calls this regularly."""
        now, alive = time.monotonic(), self._server.eio.sockets
        unknown = [eio_sid for eio_sid in alive if eio_sid not in self._channel.connections]
        self._since = {eio_sid: self._since.get(eio_sid, now) for eio_sid in unknown}
        for eio_sid, since in list(self._since.items()):
            if now - since > UNKNOWN_SECONDS:
                self._hub.spawn(close(self._server, eio_sid))


def origin_is_allowed(_origin: str, environ: Mapping[str, Any]) -> bool:
    """Tell engineio whether the gate has admitted this page's origin."""
    return bool(environ["asgi.scope"].get(_ORIGIN_KEY))
