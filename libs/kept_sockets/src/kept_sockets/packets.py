"""The packets between a service (`client`) and the gateway (`store`), which keeps its sockets.

They go to `keeper-INSTANCE.sock` in the folder of the sockets, one request for each connection:

    keep NAME DEVICE INODE   with the socket; the numbers are of its file. Answered with `kept`
    take NAME                answered with the socket and its numbers, or with `none`

0.1.0 speaks the same: two releases meet while one replaces the other.
"""

from __future__ import annotations

import socket

STORE_NAME = "keeper-{}.sock"
_LARGEST_BYTES = 256


def new_socket(timeout_seconds: float) -> socket.socket:
    """Return a socket for packets, which is not connected."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.settimeout(timeout_seconds)
    return made


def receive(connection: socket.socket) -> tuple[bytes, socket.socket | None]:
    """Return a packet and the socket that came with it."""
    packet, descriptors, _, _ = socket.recv_fds(connection, _LARGEST_BYTES, 1)
    return packet, socket.socket(fileno=descriptors[0]) if descriptors else None
