"""HTTP/2 as frames on a TLS connection, for frames that no client library sends (RFC 9113)."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Self

DATA, HEADERS, SETTINGS, PING = 0x0, 0x1, 0x4, 0x6
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SECONDS = 60


class Http2Connection:
    """A connection to the gateway, closed at the end of a `with` block."""

    def __init__(self, port: int, authority: Path) -> None:
        context = ssl.create_default_context(cafile=str(authority))
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        assert self.socket.selected_alpn_protocol() == "h2"
        self.socket.sendall(_PREFACE)
        self.frame(SETTINGS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def frame(self, kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> None:
        """Send one frame. Raise `OSError` when the gateway has closed the connection."""
        head = struct.pack(">I", len(payload))[1:] + bytes((kind, flags))
        self.socket.sendall(head + struct.pack(">I", stream) + payload)

    def request(
        self, stream: int, method: str, path: str, fields: Mapping[str, str] | None = None
    ) -> None:
        """Begin a request whose body follows."""
        pseudo = {":method": method, ":scheme": "https", ":authority": "localhost", ":path": path}
        block = b"".join(
            b"\0" + _text(name.lower()) + _text(value)
            for name, value in {**pseudo, **(fields or {})}.items()
        )
        self.frame(HEADERS, END_HEADERS, stream, block)

    def is_open_for(self, seconds: float) -> bool:
        """Return `False` if the gateway closes the connection within these seconds. Return `True`
        as soon as data arrives, which is dropped, or if nothing happens.
        """
        self.socket.settimeout(seconds)
        try:
            return bool(self.socket.recv(65536))
        except TimeoutError:
            return True
        except OSError:
            return False
        finally:
            self.socket.settimeout(_SECONDS)


def _text(value: str) -> bytes:
    """Return a string literal of HPACK, not compressed (RFC 7541 section 5)."""
    data, length = value.encode(), len(value)
    if length < 127:
        return bytes((length,)) + data
    found, length = b"\x7f", length - 127
    while length >= 128:
        found, length = found + bytes((length & 127 | 128,)), length >> 7
    return found + bytes((length,)) + data
