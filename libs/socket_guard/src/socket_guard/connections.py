"""The TCP connections of a local port, as the kernel counts them: sock_diag(7), what `ss -ti` asks.

One question gives all of them and needs no right. To count them costs 2 microseconds for each, to
know what came and went on them 4.
"""

from __future__ import annotations

import itertools
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

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
_PORT_AT, _PEER_AT, _COOKIE_AT, _QUEUED_AT, _INODE_AT, _ANSWER_BYTES = 6, 24, 44, 60, 68, 72
_ADDRESS_BYTES = {socket.AF_INET: 4, socket.AF_INET6: 16}
# An IPv4 client of a socket for IPv6.
_MAPPED = bytes(10) + b"\xff\xff"
_ATTRIBUTE = struct.Struct("=HH")
# In tcp_info: tcpi_last_data_sent and tcpi_last_data_recv, milliseconds ago.
_AGES = struct.Struct("=I4xI")
_AGES_AT = 44
# In tcp_info: tcpi_bytes_acked and tcpi_bytes_received (Linux 4.1).
_COUNTS = struct.Struct("=QQ")
_COUNTS_AT = 120
_ANSWERS_BYTES = 1 << 16
# How many TCP sockets there are, those of both ends and listening ones included.
_TOTALS = ("/proc/net/sockstat", "/proc/net/sockstat6")
_TIMEOUT_SECONDS = 2.0


class Connection:
    """One established connection.

    Attributes:
        cookie: the kernel's number for it, never used twice.
        inode: of its socket; 0 until the server has accepted it.
        peer: the client's address, without port.
        port: the client's; 0 until it is known.
        received: bytes that came from the peer.
        sent: bytes that the peer has acknowledged.
        queued: bytes that the server has written and the peer has not acknowledged.
        received_ms: how long ago bytes came, in milliseconds; as old as the connection at first.
        sent_ms: the same of bytes that went out.
    """

    __slots__ = (
        "cookie",
        "inode",
        "peer",
        "port",
        "queued",
        "received",
        "received_ms",
        "sent",
        "sent_ms",
    )

    def __init__(
        self,
        cookie: int,
        inode: int,
        peer: str,
        received: int,
        sent: int,
        *,
        queued: int = 0,
        received_ms: int = 0,
        sent_ms: int = 0,
    ) -> None:
        self.cookie = cookie
        self.inode = inode
        self.peer = peer
        self.received = received
        self.sent = sent
        self.port = 0
        self.queued = queued
        self.received_ms = received_ms
        self.sent_ms = sent_ms


def established(*ports: int) -> list[Connection]:
    """The connections to these local ports; raises OSError when the kernel is silent."""
    return [
        found
        for port in ports
        for family in _ADDRESS_BYTES
        for data, at, end in _dump(family, port, 1 << (_INET_DIAG_INFO - 1))
        if (found := _connection(family, data[at:end])) is not None
    ]


def count(*ports: int) -> Counter[str]:
    """How many connections each address has to these local ports; raises OSError likewise."""
    found: Counter[str] = Counter()
    for port, (family, length) in itertools.product(ports, _ADDRESS_BYTES.items()):
        addresses = Counter(
            data[at + _PEER_AT : at + _PEER_AT + length] for data, at, _ in _dump(family, port, 0)
        )
        for address, number in addresses.items():
            found[_text(address)] += number
    return found


def all_sockets() -> int | None:
    """How many TCP sockets this network namespace has at least; None when the kernel does not say.

    It costs next to nothing, and no port has more connections than that.
    """
    total = None
    for path in _TOTALS:
        with suppress(OSError, ValueError, IndexError), open(path, encoding="ascii") as file:
            for line in file:
                name, _, rest = line.partition(": inuse ")
                if name in {"TCP", "TCP6"}:
                    total = (total or 0) + int(rest.split()[0])
    return total


def _dump(family: int, port: int, extensions: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields each connection's message: data, where it begins in them, and where it ends."""
    question = _QUESTION.pack(family, socket.IPPROTO_TCP, extensions, _ESTABLISHED)
    question += _LOCAL_PORT.pack(port, 0)
    length = _HEADER.size + len(question)
    header = _HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _REQUEST_ALL, 1, 0)
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_TIMEOUT_SECONDS)
        kernel.send(header + question)
        while True:
            data, offset = kernel.recv(_ANSWERS_BYTES), 0
            while offset < len(data):
                length, kind, *_ = _HEADER.unpack_from(data, offset)
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    code = -struct.unpack_from("=i", data, offset + _HEADER.size)[0]
                    raise OSError(code, "sock_diag")
                yield data, offset + _HEADER.size, offset + length
                offset += length + 3 & ~3


def _text(address: bytes) -> str:
    """An address as people write it; one of IPv4 that a socket for IPv6 has is one of IPv4."""
    if len(address) > 4 and address.startswith(_MAPPED):
        address = address[len(_MAPPED) :]
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, address)


def _connection(family: socket.AddressFamily, message: bytes) -> Connection | None:
    """A connection from its message; None when the kernel is too old to count bytes."""
    (cookie,) = struct.unpack_from("=Q", message, _COOKIE_AT)
    (queued,) = struct.unpack_from("=I", message, _QUEUED_AT)
    (inode,) = struct.unpack_from("=I", message, _INODE_AT)
    (port,) = struct.unpack_from(">H", message, _PORT_AT)
    offset = _ANSWER_BYTES
    while offset < len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, offset)
        info = message[offset + _ATTRIBUTE.size : offset + length]
        if kind == _INET_DIAG_INFO and len(info) >= _COUNTS_AT + _COUNTS.size:
            sent, received = _COUNTS.unpack_from(info, _COUNTS_AT)
            sent_ms, received_ms = _AGES.unpack_from(info, _AGES_AT)
            connection = Connection(
                cookie,
                inode,
                _text(message[_PEER_AT : _PEER_AT + _ADDRESS_BYTES[family]]),
                received,
                sent,
                queued=queued,
                received_ms=received_ms,
                sent_ms=sent_ms,
            )
            connection.port = port
            return connection
        offset += length + 3 & ~3
    return None
