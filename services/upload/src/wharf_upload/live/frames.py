"""Judges what a Socket.IO client sends, before engineio and socketio see it; pure.

Both raise, and log, whatever is not as their protocols say; and socketio takes an event that is
called `connect` for the connection itself.
"""

from __future__ import annotations

from engineio import packet as engine
from socketio import packet as socket

_RESERVED = frozenset(("connect", "connect_error", "disconnect", "disconnecting", "*"))
_FROM_CLIENTS = frozenset(
    (engine.CLOSE, engine.PING, engine.PONG, engine.MESSAGE, engine.UPGRADE, engine.NOOP)
)
# A WebSocket's own packets: sent by HTTP, engineio ends the session and waits for the client to ask
# for that, which one that means no good never does.
_BY_HTTP = frozenset((engine.CLOSE, engine.PONG, engine.MESSAGE))
# Of one body of the transport by HTTP; the same as engineio's own.
_MOST_PACKETS = 16
SEPARATOR = "\x1e"


def is_well_formed(frame: str | bytes) -> bool:
    """Tell whether a frame is one that engineio and socketio can read.

    Binary ones are none: no message here has binary parts, and socketio raises where they do not
    fit together.
    """
    if isinstance(frame, bytes) or not frame or not ("0" <= frame[0] <= "6"):
        return False
    kind = int(frame[0])
    if kind not in _FROM_CLIENTS:
        return False
    return kind != engine.MESSAGE or _is_message(frame[1:])


def _is_message(text: str) -> bool:
    if not text or not ("0" <= text[0] <= "6"):
        return False
    try:
        read = socket.Packet(encoded_packet=text)
    except (ValueError, RecursionError):
        return False
    judge = _BY_TYPE.get(read.packet_type)
    return judge is not None and judge(read)


def _is_handshake(read: socket.Packet) -> bool:
    return read.data is None or isinstance(read.data, dict)


def _is_acknowledgement(read: socket.Packet) -> bool:
    return isinstance(read.data, list) and read.id is not None


def _is_event(read: socket.Packet) -> bool:
    data = read.data
    if not isinstance(data, list) or not data:
        return False
    return isinstance(data[0], str) and data[0] not in _RESERVED


# The channel takes nothing binary, and gives no errors to servers.
_BY_TYPE = {
    socket.CONNECT: _is_handshake,
    socket.DISCONNECT: _is_handshake,
    socket.EVENT: _is_event,
    socket.ACK: _is_acknowledgement,
}


def is_well_formed_body(body: bytes) -> bool:
    """Tell whether a body of the transport by HTTP is one."""
    try:
        packets = body.decode().split(SEPARATOR)
    except UnicodeDecodeError:
        return False
    return len(packets) <= _MOST_PACKETS and all(
        is_well_formed(packet) and int(packet[0]) in _BY_HTTP for packet in packets
    )
