"""Checks of the frames that Socket.IO clients send, before engineio and socketio read them.

The functions are pure. Both libraries raise and log errors for frames that violate their
protocols. In addition, socketio takes an event named `connect` for the connection itself.
"""

from __future__ import annotations

from engineio import packet as engine
from socketio import packet as socket

_RESERVED = frozenset(("connect", "connect_error", "disconnect", "disconnecting", "*"))
_FROM_CLIENTS = frozenset(
    (engine.CLOSE, engine.PING, engine.PONG, engine.MESSAGE, engine.UPGRADE, engine.NOOP)
)
# The packets that a client may send by HTTP. For other packets engineio ends the session, but then
# waits for the client to poll, which a hostile client never does.
_BY_HTTP = frozenset((engine.CLOSE, engine.PONG, engine.MESSAGE))
# The limit for one body of HTTP long-polling; engineio has the same limit.
_MOST_PACKETS = 16
SEPARATOR = "\x1e"


def is_well_formed(frame: str | bytes) -> bool:
    """Tell whether engineio and socketio can read a frame, and a client may send this frame.

    Return false for binary frames. The channel uses no binary messages, and socketio raises an
    error if binary parts do not belong together.
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


# Clients may send only these packet types: the channel accepts no binary packets, and only servers
# send CONNECT_ERROR.
_BY_TYPE = {
    socket.CONNECT: _is_handshake,
    socket.DISCONNECT: _is_handshake,
    socket.EVENT: _is_event,
    socket.ACK: _is_acknowledgement,
}


def is_well_formed_body(body: bytes) -> bool:
    """Tell whether engineio and socketio can read a body of HTTP long-polling from a client.

    Return false for more than `_MOST_PACKETS` packets.
    """
    try:
        packets = body.decode().split(SEPARATOR)
    except UnicodeDecodeError:
        return False
    return len(packets) <= _MOST_PACKETS and all(
        is_well_formed(packet) and int(packet[0]) in _BY_HTTP for packet in packets
    )
