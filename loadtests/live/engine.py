"""The parts of Engine.IO and Socket.IO that a measurement needs, on an own WebSocket.

The usual client needs more CPU time than the measured server. This client reads and writes the
frames directly.
"""

from __future__ import annotations

import json
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect

# The packets of Engine.IO, and those of Socket.IO inside an Engine.IO message.
_OPEN, _PING, _PONG = "0", "2", "3"
_CONNECT, _REFUSED, _EVENT = "40", "44", "42"
_OPEN_SECONDS = 60.0


class RefusedError(Exception):
    """The server refused the connection; the message is its response."""


class Listener:
    """One Socket.IO connection by WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    @classmethod
    async def open(cls, port: int, token: str, source: str = "127.0.0.1") -> Self:
        """Connect from a source address and log in with a token; raise `RefusedError`."""
        socket = await connect(
            f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket",
            compression=None,
            ping_interval=None,
            proxy=None,
            open_timeout=_OPEN_SECONDS,
            local_addr=(source, 0),
        )
        opened = cls(socket)
        assert (await opened._packet())[:1] == _OPEN
        await socket.send(_CONNECT + json.dumps({"token": token}))
        while not (answer := await opened._packet()).startswith(_CONNECT):
            if answer.startswith(_REFUSED):
                raise RefusedError(answer)
        return opened

    async def next(self) -> tuple[str, Any]:
        """Return name and document of the next event from the server."""
        while not (packet := await self._packet()).startswith(_EVENT):
            pass
        name, document = json.loads(packet.removeprefix(_EVENT))
        return name, document

    async def say(self, document: object) -> None:
        """Emit the event `msg`."""
        await self._socket.send(_EVENT + json.dumps(["msg", document]))

    async def close(self) -> None:
        """Disconnect."""
        await self._socket.close()

    async def _packet(self) -> str:
        """Return the next packet that is no heartbeat."""
        while True:
            packet = str(await self._socket.recv())
            if packet != _PING:
                return packet
            await self._socket.send(_PONG)
