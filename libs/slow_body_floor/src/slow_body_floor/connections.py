"""The TCP connections of a local port, as the kernel counts them: sock_diag(7), what `ss -ti` asks.

One question gives all of them, needs no right, and costs some microseconds for each.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

# From linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_REQUEST_ALL = 0x301
_ESTABLISHED = 1 << 1
_INET_DIAG_INFO = 2
_HEADER = struct.Struct("=IHHII")
# inet_diag_req_v2: family, protocol, extensions, states; local port, the rest of the address.
_QUESTION = struct.Struct("=BBBxI")
_LOCAL_PORT = struct.Struct(">HH44x")
# inet_diag_msg: where the peer's address, the cookie and the inode lie, and how long all is.
_PEER_AT, _COOKIE_AT, _INODE_AT, _ANSWER_BYTES = 24, 44, 68, 72
_ATTRIBUTE = struct.Struct("=HH")
# In tcp_info: tcpi_bytes_acked and tcpi_bytes_received (Linux 4.1).
_COUNTS = struct.Struct("=QQ")
_COUNTS_AT = 120
_ANSWERS_BYTES = 1 << 16
_TIMEOUT_SECONDS = 2.0


class Connection:
    """One established connection.

    Attributes:
        cookie: the kernel's number for it, never used twice.
        inode: of its socket.
        peer: the client's address, without port.
        received: bytes that came from the peer.
        sent: bytes that the peer has acknowledged.
    """

    __slots__ = ("cookie", "inode", "peer", "received", "sent")

    def __init__(self, cookie: int, inode: int, peer: str, received: int, sent: int) -> None:
        self.cookie = cookie
        self.inode = inode
        self.peer = peer
        self.received = received
        self.sent = sent


def established(port: int) -> list[Connection]:
    """The connections whose local port is this one; raises OSError when the kernel is silent."""
    return [one for family in (socket.AF_INET, socket.AF_INET6) for one in _dump(family, port)]


def _dump(family: int, port: int) -> Iterator[Connection]:
    question = _QUESTION.pack(family, socket.IPPROTO_TCP, 1 << (_INET_DIAG_INFO - 1), _ESTABLISHED)
    question += _LOCAL_PORT.pack(port, 0)
    length = _HEADER.size + len(question)
    header = _HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _REQUEST_ALL, 1, 0)
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_TIMEOUT_SECONDS)
        kernel.send(header + question)
        while True:
            for kind, message in _messages(kernel.recv(_ANSWERS_BYTES)):
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    code = -struct.unpack_from("=i", message)[0]
                    raise OSError(code, "sock_diag")
                if (connection := _connection(family, message)) is not None:
                    yield connection


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        length, kind, *_ = _HEADER.unpack_from(data, offset)
        yield kind, data[offset + _HEADER.size : offset + length]
        offset += length + 3 & ~3


def _connection(family: int, message: bytes) -> Connection | None:
    """A connection from its message; None when the kernel is too old to count bytes."""
    address = message[_PEER_AT : _PEER_AT + (4 if family == socket.AF_INET else 16)]
    (cookie,) = struct.unpack_from("=Q", message, _COOKIE_AT)
    (inode,) = struct.unpack_from("=I", message, _INODE_AT)
    offset = _ANSWER_BYTES
    while offset < len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, offset)
        info = message[offset + _ATTRIBUTE.size : offset + length]
        if kind == _INET_DIAG_INFO and len(info) >= _COUNTS_AT + _COUNTS.size:
            sent, received = _COUNTS.unpack_from(info, _COUNTS_AT)
            return Connection(cookie, inode, socket.inet_ntop(family, address), received, sent)
        offset += length + 3 & ~3
    return None
